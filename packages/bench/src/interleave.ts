import type { Failure, Sample, SuiteResult } from './results.js'

/** Something that is measured, one run a call. */
export interface Arm {
  readonly name: string
  /** Rejects when the run cannot be trusted; with `Unavailable` when it cannot be had on this machine. */
  run(): Promise<Sample>
}

/** An arm needs something that is not here (Java, Go, a package): it is left out, with the reason. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
}

export interface InterleaveOptions {
  readonly suite: string
  /** How often each arm runs, in turn with the others. */
  readonly rounds: number
  readonly settings: Readonly<Record<string, number | string>>
  readonly progress: (line: string) => void
  readonly now?: () => Date
}

/** An arm that failed so often in a row is not tried again: what it costs in time is the others'. */
const givenUpAfter = 2

/** Runs the arms in turn, round after round. One that fails loses its own figure and nobody else's. */
export async function interleave(arms: readonly Arm[], options: InterleaveOptions): Promise<SuiteResult> {
  const { suite, rounds, settings, progress, now = () => new Date() } = options
  const samples: Record<string, (Sample | null)[]> = {}
  const failures: Failure[] = []
  const skipped: Record<string, string> = {}
  const failedInARow = new Map<string, number>()
  for (const { name } of arms) samples[name] = []
  for (let round = 1; round <= rounds; round++) {
    for (const arm of arms) {
      const own = samples[arm.name] as (Sample | null)[]
      if (arm.name in skipped || (failedInARow.get(arm.name) ?? 0) >= givenUpAfter) {
        own.push(null)
        continue
      }
      try {
        const sample = await arm.run()
        own.push(sample)
        failedInARow.set(arm.name, 0)
        progress(`round ${round} of ${rounds}: ${arm.name} ${describe(sample)}`)
      } catch (error) {
        own.push(null)
        const reason = error instanceof Error ? error.message : String(error)
        if (error instanceof Unavailable) skipped[arm.name] = reason
        else {
          failures.push({ arm: arm.name, round, reason })
          failedInARow.set(arm.name, (failedInARow.get(arm.name) ?? 0) + 1)
        }
        progress(
          `round ${round} of ${rounds}: ${arm.name} ${error instanceof Unavailable ? 'is skipped' : 'FAILED'}: ${reason}`,
        )
      }
    }
  }
  for (const name of Object.keys(skipped)) delete samples[name]
  return { suite, at: now().toISOString(), settings, samples, failures, skipped }
}

function describe(sample: Sample): string {
  return Object.entries(sample)
    .map(([name, value]) => `${name} ${value.toLocaleString('en', { maximumSignificantDigits: 3 })}`)
    .join(', ')
}
