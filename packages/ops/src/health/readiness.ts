import { type Clock, systemClock } from '@oncebox/core'

/** One thing that has to be so for the process to do its work. */
export interface ReadinessCheck {
  /** What is looked at: `relay`, `database`. */
  readonly name: string
  /** Null when it is; otherwise why not, in words for whoever reads the probe: no key, no credentials. */
  check(): string | null | Promise<string | null>
}

export interface Readiness {
  readonly ready: boolean
  /** Of every check that did not pass: `database: does not answer`. */
  readonly reasons: readonly string[]
}

export interface ReadinessOptions {
  /** How long a check may take, in milliseconds. Default 2,000. */
  readonly deadlineMs?: number
  readonly clock?: Clock
}

/** Runs all checks at the same time. One that throws, or takes too long, has not passed. Never rejects. */
export async function readiness(checks: readonly ReadinessCheck[], options: ReadinessOptions = {}): Promise<Readiness> {
  const { deadlineMs = 2_000, clock = systemClock } = options
  const answered = new AbortController()
  const late = clock.sleep(deadlineMs, answered.signal).then(() => 'does not answer')
  const reasons = await Promise.all(
    checks.map(async ({ name, check }) => {
      const reason = await Promise.race([run(check), late])
      return reason === null ? [] : [`${name}: ${reason}`]
    }),
  )
  answered.abort()
  return { ready: reasons.flat().length === 0, reasons: reasons.flat() }
}

async function run(check: ReadinessCheck['check']): Promise<string | null> {
  try {
    return await check()
  } catch (error) {
    return `failed with ${error instanceof Error ? error.name : typeof error}`
  }
}
