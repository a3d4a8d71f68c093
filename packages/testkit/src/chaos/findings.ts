import { differences, type Masked, type TableDifference, wording } from './compareRows.js'
import type { Outcome } from './laboratory.js'
import type { NamedSchedule } from './schedules.js'
import type { SeenStatement } from './statementProxy.js'
import { advice, type Guard, guardOf, lastWriter } from './writes.js'

/** One way in which a handler does not do its work exactly once. */
export interface ChaosFinding {
  readonly guard: Guard
  /** What was done to it, as a sentence. */
  readonly story: string
  /** The statement at which it is not idempotent; null where no statement of its own is to blame. */
  readonly statement: { readonly index: number; readonly text: string } | null
  /** How the rows, or what the probe read, differ from one clean delivery. */
  readonly differences: readonly string[]
  /** Whether the handler went on after an SQL error, which the inbox noticed. */
  readonly swallowed: boolean
  /** How to mend it. */
  readonly advice: string
}

export interface Expected {
  readonly clean: Outcome
  readonly masked: Masked
  /** Whether an inbox remembers what was handled. */
  readonly inbox: boolean
  /** Tables that a second message must leave alone. */
  readonly oncePerRequest: readonly string[]
}

/** What is wrong after a schedule; null when it came to what one clean delivery comes to. */
export function judge(schedule: NamedSchedule, outcome: Outcome, expected: Expected): ChaosFinding | null {
  const { clean, masked, oncePerRequest } = expected
  const differing = differences(clean.rows, outcome.rows, masked).filter(
    ({ table }) => schedule.kind !== 'second' || oncePerRequest.includes(table),
  )
  const probed = schedule.kind !== 'second' && outcome.probed !== clean.probed
  if (differing.length === 0 && !probed && outcome.given === null && !(schedule.kind === 'fail' && outcome.swallowed))
    return null
  const { guard, statement } = blame(schedule, outcome, differing, expected)
  return {
    guard,
    story: schedule.story,
    statement: statement === null ? null : { index: statement.index, text: statement.text },
    differences: [
      ...differing.map(wording),
      ...(probed ? [`probe: ${outcome.probed} instead of ${clean.probed}`] : []),
      ...(outcome.given === null ? [] : [`the message: ${outcome.given}`]),
      ...(outcome.swallowed ? ['the handler went on after an SQL error; the inbox counted a failed attempt'] : []),
    ],
    swallowed: outcome.swallowed,
    advice: advice[guard],
  }
}

function blame(
  schedule: NamedSchedule,
  outcome: Outcome,
  differing: readonly TableDifference[],
  { clean, inbox }: Expected,
): { guard: Guard; statement: SeenStatement | null } {
  const tables = differing.map(({ table }) => table)
  const elsewhere = lastWriter(outcome.outside, tables)
  if (elsewhere !== undefined) return { guard: 'transaction', statement: elsewhere }
  const hit = schedule.statement
  const own = hit !== null && hit.index >= clean.handler.from && hit.index < clean.handler.to
  if (schedule.kind === 'fail' && (outcome.swallowed || (own && tables.length > 0))) {
    return { guard: 'rethrow', statement: hit }
  }
  // What nobody was seen to write was written on a connection of the handler's own, or is no row at all.
  const writer = lastWriter(outcome.statements, tables) ?? lastWriter(clean.statements, tables)
  if (writer === undefined && schedule.kind !== 'second') return { guard: 'transaction', statement: hit }
  if (schedule.kind === 'second' || !inbox) {
    // Work in several tables is done once as a whole.
    const guard = tables.length > 1 ? 'businessKey' : guardOf(writer?.text ?? '')
    return { guard, statement: writer ?? null }
  }
  return { guard: 'message', statement: writer ?? hit }
}

/** Findings that say the same, once; the first of each has the shortest way there. */
export function distinct(findings: readonly ChaosFinding[]): ChaosFinding[] {
  const first = new Map<string, ChaosFinding>()
  for (const finding of findings) {
    const tables = finding.differences.map((difference) => difference.split(':')[0])
    const where = ['message', 'transaction'].includes(finding.guard) ? tables : finding.statement?.text
    const same = JSON.stringify([finding.guard, where])
    if (!first.has(same)) first.set(same, finding)
  }
  const all = [...first.values()]
  // Where any repetition is wrong, one after an error is no fault of its own.
  const repetition = all.some(({ guard }) => guard === 'message')
  return all.filter(({ guard, swallowed }) => guard !== 'rethrow' || swallowed || !repetition)
}
