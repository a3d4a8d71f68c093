import type { History } from './history.js'

/** What a history can break, by name. */
export type Rule =
  | 'lost'
  | 'phantom'
  | 'altered'
  | 'ranTwice'
  | 'notConserved'
  | 'outOfOrder'
  | 'movedPartition'
  | 'staleWrite'
  | 'duplicates'
  | 'miscounted'

/** A promise that a history breaks. */
export interface Violation {
  readonly rule: Rule
  /** One sentence: what happened, to which message, key and group. */
  readonly message: string
  /** As little of the history as shows it. Judged by itself, it breaks the same rule. */
  readonly witness: History
}

const mostLines = 24

/** A violation and its witness, a line an event, for people; of a long witness the first and last events. */
export function explainViolation({ rule, message, witness }: Violation): string {
  const lines = tell(witness)
  const left = lines.length - mostLines
  if (left > 1) lines.splice(mostLines / 2, left, `… ${left} more`)
  return [`${rule}: ${message}`, ...lines.map((line) => `  ${line}`)].join('\n')
}

/** A history as lines, along the way of a message. Pure. */
function tell(history: History): string[] {
  const { emits, rolledBack = [], records = [], groups = [], writes = [] } = history
  return [
    ...emits.map(({ id, topic, key, turn }) => `committed  ${id} to ${topic}, ${keyed(key)}, turn ${turn}`),
    ...rolledBack.map((id) => `rolled back  ${id}`),
    ...records.map(
      ({ id, topic, partition, offset, key }) =>
        `published  ${id} to ${topic}/${partition} at ${offset}, ${keyed(key)}`,
    ),
    ...groups.flatMap(({ name, deliveries = [], effects = [], refused = [], totals }) => [
      ...deliveries.map((id) => `delivered  ${id} to ${name}`),
      ...effects.map(({ id, key, amount }) => `applied    ${id} by ${name}, ${keyed(key)}${plus(amount)}`),
      ...refused.map((id) => `refused    ${id} by ${name}`),
      ...[...(totals ?? [])].map(([key, total]) => `total      of ${key} at ${name}: ${total}`),
    ]),
    ...writes.map(
      ({ epoch, current, changedRows }) =>
        `written    under epoch ${epoch} while ${current} held the lane: ${changedRows} rows changed`,
    ),
  ]
}

function keyed(key: string | null): string {
  return key === null ? 'no key' : `key ${key}`
}

function plus(amount: number | undefined): string {
  return amount === undefined ? '' : `, ${amount >= 0 ? '+' : ''}${amount}`
}
