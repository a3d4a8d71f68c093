import type { Defect } from './defect.js'
import { held } from './laneFence.js'
import type { Schedule } from './schedule.js'
import { deleteDue, insertDue, seesDue } from './scheduledStatements.js'
import { aMoment, type Run } from './statement.js'

const isMove = (text: string): boolean => text.includes('DELETE FROM "oncebox"."scheduled"')

function schedules({ writers }: Schedule): boolean {
  return writers.some(({ steps }) => steps.some(({ dueAt }) => dueAt !== null))
}

/** What the statement that moves due messages becomes. */
function moving(change: (text: string) => string): Defect {
  return { pool: () => ({ statement: (text) => (isMove(text) ? change(text) : text) }), concerns: schedules }
}

/** Deletes what is due and commits, and inserts it with another statement: what ends between them ends the messages. */
const inTwoTransactions =
  (run: Run): Run =>
  async (context) => {
    if (!isMove(context.text)) return run(context)
    const { database, transaction } = context
    const first = { ...context, transaction: database.begin() }
    const seen = seesDue(first)
    if ((await held(first)) === null) return { rows: [['0', '0']] }
    const due = await deleteDue(first, seen.slice(0, Number(context.values[3])))
    database.commit(first.transaction)
    await aMoment(context, 4)
    // The session may have been ended meanwhile.
    if (transaction.ended) return new Promise(() => undefined)
    await insertDue(context, due)
    return { rows: [['1', String(due.length)]] }
  }

/** Deliberate defects of the way that messages with a time to be delivered at take. */
export const scheduledDefects: Readonly<Record<string, Defect>> = {
  'due messages are deleted in one transaction and inserted in the next': {
    relay: inTwoTransactions,
    concerns: schedules,
  },
  'due messages are moved without looking at epoch and token': moving((text) =>
    text.replace('AND epoch = $2::bigint AND token = $3::uuid', '/* any epoch */'),
  ),
  'messages are moved before they are due': {
    pool: () => ({ statement: (text) => text.replace('due_at <= now()', 'true') }),
    concerns: schedules,
  },
  'due messages are inserted in no order': moving((text) =>
    text.replace('FROM due ORDER BY due_at, number', 'FROM due'),
  ),
  'due messages are locked in no order': moving((text) => text.replace('number = ANY (ARRAY(', 'number IN ((')),
}
