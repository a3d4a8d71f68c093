import { held } from './laneFence.js'
import type { ModelDatabase, ScheduledRow } from './modelDatabase.js'
import { leafLock } from './ringStatements.js'
import { lockSeen, put, type SeenRow, seenRows } from './rowStatements.js'
import { type Answer, aMoment, clockTimestamp, type Known, lockTable, type StatementContext } from './statement.js'

type Scheduled = readonly [key: string, row: ScheduledRow]

/** What the text takes for due. */
function isDue(text: string, now: number): (row: ScheduledRow) => boolean {
  return text.includes('due_at <= now()') ? ({ dueAt }) => dueAt <= now : () => true
}

/** Whether a statement that begins now sees a message that is due. */
export function isAnyDue(database: ModelDatabase, text: string, now: number, reader = database.begin()): boolean {
  if (!database.schedules) return false
  const due = isDue(text, now)
  return database.scheduled.entries(reader).some(([, row]) => due(row))
}

function byDueTime([key, row]: Scheduled, [otherKey, other]: Scheduled): number {
  return row.dueAt - other.dueAt || Number(key) - Number(otherKey)
}

/** Rows that the statement's own snapshot sees as due, in the order in which its text wants them. */
export function seesDue(context: StatementContext): SeenRow<ScheduledRow>[] {
  const { database, text, now } = context
  const due = isDue(text, now)
  const seen = seenRows(context, database.scheduled, database.scheduled.keys()).filter(({ value }) => due(value))
  const ordered = text.includes('ORDER BY due_at, number LIMIT')
  return ordered ? seen.sort((a, b) => byDueTime([a.key, a.value], [b.key, b.value])) : seen
}

/**
 * Deletes rows, each once its lock is had: in the order of their numbers where the index on them is walked along. Else nobody
 * promises an order, and two lanes have opposite ones.
 */
export async function deleteDue(
  context: StatementContext,
  wanted: readonly SeenRow<ScheduledRow>[],
): Promise<Scheduled[]> {
  const { database, text, values } = context
  const backwards = !text.includes('number = ANY (ARRAY(') && Number(values[0]) % 2 === 1
  const place = ({ key }: SeenRow<ScheduledRow>): number => (backwards ? -Number(key) : Number(key))
  const gone: Scheduled[] = []
  for (const seen of wanted.toSorted((a, b) => place(a) - place(b))) {
    const [row] = await lockSeen(context, database.scheduled, 'scheduled', [seen])
    if (row === undefined) continue
    await put(context, database.scheduled, 'scheduled', seen.key, undefined)
    gone.push(row)
    await aMoment(context, 2 + (Number(seen.key) % 3))
  }
  return gone
}

/** Inserts into the outbox, one after the other: each gets its position, and then the lock of its leaf. */
export async function insertDue(context: StatementContext, due: readonly Scheduled[]): Promise<void> {
  const { database, transaction, text } = context
  const ordered = text.includes('FROM due ORDER BY due_at, number')
  for (const [, { number, topic, key }] of ordered ? due.toSorted(byDueTime) : due) {
    const defaults = database.defaults(transaction, clockTimestamp(context))
    await lockTable(context, leafLock(defaults.slot), 'row exclusive')
    database.insert(transaction, { number, topic, key }, defaults)
    transaction.atCommit.push(() => database.moved.set(number, clockTimestamp(context)))
    await aMoment(context, number % 3)
  }
}

/** Statements about messages with a time to be delivered at. */
export const scheduledStatements: Known = [
  [
    'DELETE FROM "oncebox"."scheduled"',
    async (context): Promise<Answer> => {
      // What is due is looked for in the snapshot from before the lane's row was waited for.
      const seen = seesDue(context)
      if ((await held(context)) === null) return { rows: [['0', '0']] }
      const { database, transaction, values } = context
      // FOR UPDATE takes a transaction id.
      database.write(transaction, () => undefined)
      const due = await deleteDue(context, seen.slice(0, Number(values[3])))
      await insertDue(context, due)
      const answer = { rows: [['1', String(due.length)]] }
      return due.length === 0 ? answer : { ...answer, told: `${named(due)} came due` }
    },
  ],
]

function named(rows: readonly Scheduled[]): string {
  return rows.map(([, { number }]) => `m${number}`).join(' ')
}
