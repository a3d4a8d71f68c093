import { classifyTransactionError, type Database, type Tx } from '@oncebox/core'
import { defaultSchema, inboxRing, type Tables, tables as tablesOf } from '@oncebox/schema'
import { keepForeignMs, reclaimPlan, smallestUuidAt } from './reclaimPlan.js'

export interface ReclaimOptions<Trx> {
  /** The consumer's database. The caller closes it. */
  readonly db: Database<Trx>
  /** Schema of the project's tables. Default `oncebox`. */
  readonly schema?: string
  /** How far ahead of the database's clock ids are taken, in milliseconds. Default 10 minutes. */
  readonly futureMs?: number
  /** How long to wait for a leaf's lock, during which consumers wait behind us, in milliseconds. Default 100. */
  readonly lockTimeoutMs?: number
  /** Foreign ids, and stale attempts, that one transaction deletes. Default 5,000. */
  readonly batchRows?: number
  /** Ends the work before its next step when it aborts. Default: it goes on to the end. */
  readonly signal?: AbortSignal
}

/** What `reclaimInbox` gave back. */
export interface Reclaimed {
  /** False when another process was at it: nothing was done. */
  readonly ran: boolean
  /** Ids older than this are refused: milliseconds since the Unix epoch. 0 when nothing was done. */
  readonly floorMs: number
  /** Plain names of the leaves that were truncated. */
  readonly leaves: readonly string[]
  /** Foreign ids and stale attempts that were deleted. */
  readonly deletedRows: number
}

/** Ids refused for their far future that are carried over a truncation; with more than these a leaf is left alone. */
const carriedIds = 10_000

/**
 * Gives back the storage of ids that can no longer return: raises the floor and commits, then truncates leaves that
 * hold nothing from the floor on, each in its own transaction; then deletes old foreign ids in batches. Any number of
 * processes may call it at once, one of them works. Opens transactions of its own.
 *
 * @throws OnceboxError `INVALID_SETTING` for the schema name, and what `Database.transaction` throws.
 */
export async function reclaimInbox<Trx>(options: ReclaimOptions<Trx>): Promise<Reclaimed> {
  const { db, futureMs = 600_000, lockTimeoutMs = 100, batchRows = 5_000, signal } = options
  const tables = tablesOf(options.schema ?? defaultSchema)
  const raised = await db.transaction(({ tx }) => raiseFloor(tx, tables, futureMs))
  if (raised === null) return { ran: false, floorMs: 0, leaves: [], deletedRows: 0 }
  const bounds: Bounds = { floor: smallestUuidAt(raised.floorMs), future: smallestUuidAt(raised.nowMs + futureMs + 1) }
  const leaves: string[] = []
  for (const slot of raised.slots) {
    if (signal?.aborted) break
    const leaf = inboxRing.leaves[slot] as string
    if (await truncateLeaf(db, tables, leaf, bounds, lockTimeoutMs)) leaves.push(leaf)
  }
  const old = { batchRows, signal }
  const deletedRows =
    (await deleteOld(db, tables, tables.inboxForeign, 'received_at', old)) +
    (await deleteOld(db, tables, tables.attempt, 'last_failed_at', old))
  return { ran: true, floorMs: raised.floorMs, leaves, deletedRows }
}

/** The lock is of the database, and lasts for one transaction: poolers in transaction mode keep no session. */
async function tryLock(tx: Tx, tables: Tables): Promise<boolean> {
  const { rows } = await tx.query<{ locked: boolean }>(
    'SELECT pg_try_advisory_xact_lock(hashtextextended($1::text, 0)) AS locked',
    [`${tables.schema} inbox reclaim`],
  )
  return rows[0]?.locked === true
}

async function raiseFloor(tx: Tx, tables: Tables, futureMs: number) {
  if (!(await tryLock(tx, tables))) return null
  const { rows } = await tx.query<{ floor: string; now: string }>(
    `SELECT last_value::text AS floor, (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS now
     FROM ${tables.inboxFloor}`,
  )
  const nowMs = Number(rows[0]?.now)
  const plan = reclaimPlan(nowMs, Number(rows[0]?.floor), futureMs)
  await tx.query('SELECT setval($1::text::regclass, $2::text::bigint)', [tables.inboxFloor, String(plan.floorMs)])
  return { ...plan, nowMs }
}

interface Bounds {
  /** Smallest id that may still come. */
  readonly floor: string
  /** Smallest id that is refused because it lies too far ahead. */
  readonly future: string
}

async function truncateLeaf<Trx>(
  db: Database<Trx>,
  tables: Tables,
  leaf: string,
  bounds: Bounds,
  lockTimeoutMs: number,
): Promise<boolean> {
  const name = tables.of(leaf)
  try {
    return await db.transaction(async ({ tx }) => {
      // Only a hint, so that a leaf in use or empty is not locked in vain.
      if (!(await holdsOldIds(tx, name, bounds)) || (await idsToCarry(tx, name, bounds)) === null) return false
      if (!(await tryLock(tx, tables))) return false
      await tx.query("SELECT set_config('lock_timeout', $1::text, true)", [`${lockTimeoutMs}ms`])
      await tx.query(`LOCK TABLE ONLY ${name} IN ACCESS EXCLUSIVE MODE`)
      // A new statement, whose snapshot sees everything that was committed before the lock was ours.
      const carried = await idsToCarry(tx, name, bounds)
      if (carried === null) return false
      await tx.query(`TRUNCATE TABLE ONLY ${name}`)
      if (carried.length > 0) {
        await tx.query(
          `INSERT INTO ${tables.inbox} (consumer, message_id)
           SELECT pair ->> 0, (pair ->> 1)::uuid FROM json_array_elements($1::text::json) AS pair`,
          [JSON.stringify(carried)],
        )
      }
      return true
    })
  } catch (error) {
    // Somebody reads the leaf (a dump, say): later. Waiting would hold up the consumers that queue behind us.
    if (classifyTransactionError(error) === 'lockTimeout') return false
    throw error
  }
}

async function holdsOldIds(tx: Tx, leaf: string, bounds: Bounds): Promise<boolean> {
  const { rows } = await tx.query<{ old: boolean }>(
    `SELECT EXISTS (SELECT FROM ${leaf} WHERE message_id < $1::text::uuid) AS old`,
    [bounds.floor],
  )
  return rows[0]?.old === true
}

/**
 * The ids refused for their far future, which must stay refused; null when the leaf holds ids that may still come, or
 * too many to carry. Group after group along the index: all that the leaf holds may be hundreds of millions of ids, and it is
 * locked meanwhile.
 */
async function idsToCarry(
  tx: Tx,
  leaf: string,
  bounds: Bounds,
): Promise<readonly (readonly [string, string])[] | null> {
  const { rows } = await tx.query<{ consumer: string; id: string; future: boolean }>(
    `WITH RECURSIVE groups AS (
       (SELECT consumer FROM ${leaf} ORDER BY consumer LIMIT 1)
       UNION ALL
       SELECT (SELECT next.consumer FROM ${leaf} AS next WHERE next.consumer > groups.consumer ORDER BY next.consumer LIMIT 1)
       FROM groups WHERE groups.consumer IS NOT NULL
     )
     SELECT consumer, message_id::text AS id, message_id >= $2::text::uuid AS future
     FROM groups CROSS JOIN LATERAL (
       SELECT message_id FROM ${leaf} AS own
       WHERE own.consumer = groups.consumer AND message_id >= $1::text::uuid ORDER BY message_id LIMIT ${carriedIds + 1}
     ) AS late
     LIMIT ${carriedIds + 1}`,
    [bounds.floor, bounds.future],
  )
  if (rows.length > carriedIds || rows.some((row) => !row.future)) return null
  return rows.map((row) => [row.consumer, row.id])
}

/** By the statement's clock: a volatile one could not use the index, and each call would read all that are remembered. */
async function deleteOld<Trx>(
  db: Database<Trx>,
  tables: Tables,
  table: string,
  column: string,
  { batchRows, signal }: { readonly batchRows: number; readonly signal: AbortSignal | undefined },
): Promise<number> {
  let deleted = 0
  while (!signal?.aborted) {
    const count = await db.transaction(async ({ tx }) => {
      if (!(await tryLock(tx, tables))) return 0
      const { rows } = await tx.query<{ count: string }>(
        `WITH gone AS (
           DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM ${table}
             WHERE ${column} < statement_timestamp() - $1::text::float8 * interval '1 millisecond' LIMIT $2::text::bigint
           )) RETURNING 1
         )
         SELECT count(*)::text AS count FROM gone`,
        [String(keepForeignMs), String(batchRows)],
      )
      return Number(rows[0]?.count)
    })
    deleted += count
    if (count < batchRows) break
  }
  return deleted
}
