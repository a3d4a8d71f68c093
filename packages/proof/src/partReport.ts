/** What one part of the proof did and found: simulation, crashes, faults, mutants, soak, … */
export interface PartReport {
  readonly part: string
  /** What was done, in the words of the report: `{ runs: 520, 'points hit': '24 of 24' }`. */
  readonly figures: Readonly<Record<string, number | string>>
  /** Violations, points not hit, mutants alive, each a text that can be acted on. None: the part is proved. */
  readonly problems: readonly string[]
  readonly seconds: number
}

/** What a part is told. */
export interface PartOptions {
  /** Everything at random follows from it. */
  readonly seed: number
  /** `slice`: a few seconds' share for the test suite, which rotates with the seed. */
  readonly extent: 'full' | 'slice'
  /** How often each crash point is to be hit. */
  readonly times: number
  /** A fault that cannot be made on this machine does not fail the run. Default false: what is not proved is a problem. */
  readonly allowUnreachable?: boolean
  /** One line of progress, for people. */
  readonly progress: (line: string) => void
}

export type Part = (options: PartOptions) => Promise<PartReport>
