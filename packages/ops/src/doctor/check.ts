import type { Problem } from '../problems.js'
import type { Facts } from './facts.js'

/** What a check found. Advice is what works and could be better: it changes no exit code. */
export interface Found extends Problem {
  readonly severity?: 'problem' | 'advice'
}

/** A finding as it is reported. */
export interface Finding extends Problem {
  readonly severity: 'problem' | 'advice'
  /** What comes of it if nobody mends it. */
  readonly why: string
}

/** One thing to look at. A file of `checks/` each; `allChecks.ts` is the list. */
export interface Check<Need extends keyof Facts = keyof Facts> {
  /** What is looked at, in a few words; unique. */
  readonly name: string
  /** The facts it judges. Without one of them (no rights, no brokers given) the check is skipped, and that is said. */
  readonly needs: readonly Need[]
  /** What comes of a finding if nobody mends it. */
  readonly why: string
  /** Pure: from facts to findings. */
  judge(facts: Pick<Facts, Need>): Found[]
}

/** The identity, with the types worked out: a check sees the facts it asks for and no others. */
export function defineCheck<Need extends keyof Facts>(check: Check<Need>): Check<Need> {
  return check
}
