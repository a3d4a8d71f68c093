import { inboxRing, inboxSlotOf } from '@oncebox/schema'
import { timeOf } from './outboxRow.js'
import { beginning } from './process.js'
import { put } from './rowStatements.js'
import { type Known, lockTable, type StatementContext } from './statement.js'

/** The table lock of the leaf in which an id is remembered. */
export function inboxLeafLock(id: string): string {
  return `table ${inboxRing.leaves[inboxSlotOf(timeOf(id))]}`
}

/** The database's clock, in milliseconds since the Unix epoch, with the days that it is off. */
export function clockOf({ database, now }: StatementContext): number {
  return beginning + now + database.clockAheadMs
}

function leafOf(text: string): string {
  return /"(inbox_\d+)"/.exec(text)?.[1] ?? ''
}

/** Ids of a leaf that the transaction sees. */
function idsIn({ database, transaction, text }: StatementContext): string[] {
  const leaf = `table ${leafOf(text)}`
  return database.inbox.ids
    .entries(transaction)
    .map(([id]) => id)
    .filter((id) => inboxLeafLock(id) === leaf)
}

/** Statements that give the storage of old ids back. */
export const inboxRingStatements: Known = [
  [
    'pg_try_advisory_xact_lock',
    ({ database, transaction }) => {
      // Where nothing is ever old enough, somebody else looks after the ring.
      if (!database.inboxIsReclaimed) return { rows: [{ locked: false }] }
      const locked = database.locks.isFree('inbox reclaim', transaction)
      if (locked) database.locks.take('inbox reclaim', transaction)
      return { rows: [{ locked }] }
    },
  ],
  [
    'SELECT last_value::text AS floor, (extract',
    (context) => ({ rows: [{ floor: String(context.database.inbox.floor), now: String(clockOf(context)) }] }),
  ],
  [
    'SELECT setval($1::text::regclass, $2::text::bigint)',
    ({ database, transaction, values }) => {
      // Seen at once, and not taken back.
      database.inbox.floor = Number(values[1])
      database.write(transaction, () => undefined)
      return {
        rows: [{}],
        told: `ids of before ${new Date(database.inbox.floor).toISOString()} are refused from now on`,
      }
    },
  ],
  [
    'SELECT EXISTS (SELECT FROM "oncebox"."inbox_',
    async (context) => {
      await lockTable(context, `table ${leafOf(context.text)}`, 'access share')
      return { rows: [{ old: idsIn(context).some((id) => id < String(context.values[0])) }] }
    },
  ],
  [
    'SELECT consumer, message_id::text AS id, message_id >= $2',
    async (context) => {
      await lockTable(context, `table ${leafOf(context.text)}`, 'access share')
      const [floor, future] = context.values as [string, string]
      const ids = idsIn(context).filter((id) => id >= floor)
      return { rows: ids.map((id) => ({ consumer: 'group', id, future: id >= future })) }
    },
  ],
  ["SELECT set_config('lock_timeout', $1::text, true)", limitWait],
  ["SELECT set_config('lock_timeout', $1, true)", limitWait],
  [
    'LOCK TABLE ONLY "oncebox"."inbox_',
    async (context) => {
      await lockTable(context, `table ${leafOf(context.text)}`, 'access exclusive')
      return { rows: [] }
    },
  ],
  [
    'TRUNCATE TABLE ONLY "oncebox"."inbox_',
    async (context) => {
      await lockTable(context, `table ${leafOf(context.text)}`, 'access exclusive')
      const { database, transaction } = context
      const ids = idsIn(context)
      for (const id of ids) database.write(transaction, database.inbox.ids.put(id, undefined, transaction))
      return { rows: [], told: `${ids.length} ids are forgotten` }
    },
  ],
  [
    'SELECT pair ->> 0, (pair ->> 1)::uuid',
    async (context) => {
      for (const [, id] of JSON.parse(context.values[0] as string) as [string, string][]) {
        await put(context, context.database.inbox.ids, 'id', id, true)
      }
      return { rows: [] }
    },
  ],
  // Ids of others, and attempts that nobody comes back to, are none.
  ['WITH gone AS (', () => ({ rows: [{ count: '0' }] })],
]

function limitWait({ transaction, values }: StatementContext) {
  transaction.lockTimeoutMs = Number.parseInt(String(values[0]), 10)
  return { rows: [['']] }
}
