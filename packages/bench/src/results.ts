import { type Spread, spread } from './statistics.js'

/** What one run of one arm came to: figures by name, with the unit in the name (`cpuUs`, `rssMb`, `p99Ms`). */
export type Sample = Readonly<Record<string, number>>

export interface Failure {
  readonly arm: string
  readonly round: number
  readonly reason: string
}

/** What a subcommand measured. Samples stand by arm, one a round, null where that round failed. */
export interface SuiteResult {
  readonly suite: string
  /** ISO time of the end of the run. */
  readonly at: string
  /** Sizes and durations of the run, for whoever reads the figures. */
  readonly settings: Readonly<Record<string, number | string>>
  readonly samples: Readonly<Record<string, readonly (Sample | null)[]>>
  readonly failures: readonly Failure[]
  /** Why arms were left out. */
  readonly skipped: Readonly<Record<string, string>>
}

export interface Machine {
  readonly cpus: number
  readonly cpuModel: string
  readonly memoryGb: number
  readonly os: string
  readonly node: string
}

/** Everything that `docs/benchmarks.md` is made of. */
export interface BenchResults {
  readonly machine: Machine
  readonly suites: Readonly<Record<string, SuiteResult>>
}

/** A figure of an arm over its rounds; undefined when there is none. Pure. */
export function figure(suite: SuiteResult | undefined, arm: string, name: string): Spread | undefined {
  return spreadOf((suite?.samples[arm] ?? []).map((sample) => sample?.[name]))
}

/**
 * The ratio of a figure of one arm to that of another, of each round in which both ran: they stood beside each other, so
 * what the machine was doing cancels out. Undefined when there was no such round. Pure.
 */
export function pairedRatio(
  suite: SuiteResult | undefined,
  arm: string,
  base: string,
  name: string,
): Spread | undefined {
  return perRound(suite, (value) => value(arm, name) / value(base, name))
}

/** The spread of what there is: figures that are missing, or no number, are left out. Pure. */
export function spreadOf(values: readonly (number | undefined | null)[]): Spread | undefined {
  const numbers = values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value))
  return numbers.length === 0 ? undefined : spread(numbers)
}

/** A figure made of several arms of the same round, over the rounds in which it can be made. Pure. */
export function perRound(
  suite: SuiteResult | undefined,
  make: (value: (arm: string, name: string) => number) => number,
): Spread | undefined {
  const rounds = Math.max(0, ...Object.values(suite?.samples ?? {}).map((samples) => samples.length))
  // What is missing is NaN, makes everything it is in NaN, and is left out.
  const values = Array.from({ length: rounds }, (_, round) =>
    make((arm, name) => suite?.samples[arm]?.[round]?.[name] ?? Number.NaN),
  )
  return spreadOf(values)
}
