import { outboxRing } from '@oncebox/schema'
import type { ModelDatabase } from './modelDatabase.js'
import type { OutboxRow } from './outboxRow.js'
import { parseSnapshot } from './snapshots.js'
import { type Answer, type Known, lockTable, type StatementContext } from './statement.js'

/** The slot of rows with any other one. */
const defaultSlot = -1
const slots = [...outboxRing.leaves.keys(), defaultSlot]

/** The table lock of a leaf of the outbox. */
export function leafLock(slot: number): string {
  return `table ${outboxRing.leaves[slot] ?? outboxRing.defaultLeaf}`
}

/**
 * Whoever reads the outbox reads all of its leaves: waits for those that are being emptied, and its snapshot comes after.
 * `atOnce`: the statement is over before anybody else does anything, so it need not hold what it can have.
 */
export async function lockLeaves({ database, transaction }: StatementContext, atOnce = false): Promise<void> {
  if (!database.outboxIsReclaimed) return
  for (const slot of slots) {
    if (atOnce && database.locks.isFree(leafLock(slot), transaction, 'access share')) continue
    const turn = database.locks.take(leafLock(slot), transaction, 'access share')
    if (turn !== null) await turn
  }
}

function slotOf(text: string): number {
  const leaf = /"(outbox_\w+)"/.exec(text)?.[1] ?? ''
  return outboxRing.leaves.indexOf(leaf)
}

function visibleIn(database: ModelDatabase, slot: number): OutboxRow[] {
  return database
    .visible()
    .filter((row) => row.slot === slot)
    .sort((a, b) => a.position - b.position)
}

/** Whether some lane has not passed a row, as far as the text asks. */
function unpublished({ database, transaction, text }: StatementContext, rows: readonly OutboxRow[]): boolean {
  const fresh = text.includes('xid >= pg_snapshot_xmax(lane.last_snapshot)')
  const running = text.includes('xid = ANY (ARRAY(SELECT pg_snapshot_xip(lane.last_snapshot)))')
  return database.cursors.entries(transaction).some(([, { last }]) => {
    const { xmax, xip } = parseSnapshot(last)
    return rows.some(({ xid }) => (fresh && xid >= xmax) || (running && xip.includes(xid)))
  })
}

const flag = (value: boolean | null): string | null => (value === null ? null : value ? 't' : 'f')

/** Statements about the ring of the outbox. */
export const ringStatements: Known = [
  ['coalesce(pg_sequence_last_value', ({ database, now }) => ({ rows: [[String(database.slot), String(now)]] })],
  [
    'SELECT NOT (EXISTS (',
    (context) => {
      const rows = visibleIn(context.database, slotOf(context.text))
      const newest = rows.at(-1)
      const old = newest === undefined ? null : newest.createdAt <= context.now - Number(context.values[0])
      return { rows: [[flag(unpublished(context, rows) ? false : old)]] }
    },
  ],
  [
    '"outbox_0" ORDER BY position',
    async (context) => {
      await lockLeaves(context)
      const rows = slots.map((slot) => {
        const inLeaf = visibleIn(context.database, slot)
        const ends = [inLeaf[0], inLeaf.at(-1)].map((row) => (row === undefined ? null : String(row.createdAt)))
        return [String(slot), ...ends, flag(unpublished(context, inLeaf))]
      })
      return { rows }
    },
  ],
  [
    'TRUNCATE ONLY "oncebox"."outbox_',
    async (context): Promise<Answer> => {
      const slot = slotOf(context.text)
      await lockTable(context, leafLock(slot), 'access exclusive')
      const { database, transaction } = context
      const gone = database.outbox.filter((row) => row.slot === slot)
      database.replaceOutbox(transaction, (row) => row.slot !== slot)
      return { rows: [], told: `leaf ${slot} is emptied of ${gone.map(({ number }) => `m${number}`).join(' ')}` }
    },
  ],
  [
    'LOCK TABLE ONLY "oncebox"."outbox_',
    async (context) => {
      await lockTable(context, leafLock(slotOf(context.text)), 'access exclusive')
      return { rows: [] }
    },
  ],
  [
    'SELECT setval($1::regclass, $2::bigint)',
    ({ database, values }) => {
      database.slot = Number(values[1])
      return { rows: [['']], told: `new rows go to leaf ${database.slot}` }
    },
  ],
]
