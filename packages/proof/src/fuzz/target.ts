import type { Dice } from '../simulation/dice.js'

/** What came of a case: it was taken, it was refused with a code, or a promise was broken, which the text says. */
export type Outcome = 'taken' | 'refused' | { readonly broken: string }

/** An entry of the system, ready for junk. */
export interface OpenTarget<Case = unknown> extends AsyncDisposable {
  /** One case, of what the dice say. Pure. */
  make(dice: Dice): Case
  /** What comes of each of them, in their order. */
  tryAll(cases: readonly Case[]): Promise<readonly Outcome[]>
}

/** What targets may ask for. */
export interface Surroundings {
  /** An empty database, which ends with the run. Resolves to its connection string. */
  createDatabase(): Promise<string>
}

export interface Target {
  readonly name: string
  /** How many cases a full run has, and a slice. */
  readonly cases: { readonly full: number; readonly slice: number }
  /** How many of them are tried at a time. */
  readonly atOnce: number
  open(surroundings: Surroundings): Promise<OpenTarget>
}

/** A target that needs nothing and takes its cases one by one; `attempt` throws what the entry throws. */
export function plainTarget<Case>(
  make: (dice: Dice) => Case,
  attempt: (one: Case) => Promise<Outcome>,
): () => Promise<OpenTarget<Case>> {
  return async () => ({
    make,
    async tryAll(cases) {
      const outcomes: Outcome[] = []
      for (const one of cases) outcomes.push(await attempt(one))
      return outcomes
    },
    [Symbol.asyncDispose]: async () => undefined,
  })
}
