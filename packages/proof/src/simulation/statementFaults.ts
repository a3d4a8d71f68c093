import type { StatementFaultPlan } from './schedule.js'

/** Errors that a statement can end with although nothing is wrong with it, by their SQLSTATE. */
const states = {
  serialization: '40001',
  deadlock: '40P01',
  timeout: '57014',
  memory: '53200',
  aborted: '25P02',
  lockTimeout: '55P03',
} as const

/** What goes wrong with a statement: an error of the server, or the connection, before the server has it or after. */
export type StatementFault = Exclude<keyof typeof states, 'aborted' | 'lockTimeout'> | 'lostBefore' | 'lostAfter'

/** The server's error; null where there is none to be told. */
export function sqlError(what: StatementFault | 'aborted' | 'lockTimeout'): Error | null {
  if (what === 'lostBefore' || what === 'lostAfter') return null
  return Object.assign(new Error(what), { code: states[what] })
}

const kinds: Readonly<Record<StatementFaultPlan['of'], RegExp>> = {
  any: /(?:)/,
  change: /\b(?:INSERT|UPDATE|DELETE)\b/,
  commit: /^COMMIT$/,
  handler: /^INSERT INTO effect /,
}

/** The faults of one process that are still to come: each hits the first statement of its kind after its time. */
export class StatementFaults {
  readonly #plans: StatementFaultPlan[]
  readonly #tell: (what: string) => void

  constructor(plans: readonly StatementFaultPlan[], tell: (what: string) => void) {
    this.#plans = [...plans]
    this.#tell = tell
  }

  /** A consumer commits all the time: of its COMMITs those are meant that hold what a handler did. */
  next(text: string, effects: boolean, now: number): StatementFault | undefined {
    const meant = ({ who, of }: StatementFaultPlan): boolean =>
      kinds[of].test(text) && (effects || who === 'relay' || of !== 'commit')
    const at = this.#plans.findIndex((plan) => plan.at <= now && meant(plan))
    const [plan] = at < 0 ? [] : this.#plans.splice(at, 1)
    if (plan === undefined) return undefined
    this.#tell(`${plan.who} ${plan.index}: ${told[plan.kind]} at ${shortened(text)}`)
    return plan.kind
  }
}

const told: Readonly<Record<StatementFault, string>> = {
  serialization: 'a serialization failure (40001)',
  deadlock: 'a deadlock (40P01)',
  timeout: 'statement_timeout (57014)',
  memory: 'out of memory (53200)',
  lostBefore: 'the connection is lost before the server has the statement,',
  lostAfter: 'the connection is lost after the server ran the statement,',
}

function shortened(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ')
  return line.length <= 70 ? line : `${line.slice(0, 70)}…`
}
