import type { Tx } from '@oncebox/core'
import { type Tables, tables } from '@oncebox/schema'
import type { Leaf } from '../../leaves.js'

/** A lock on a leaf that should be emptied, and who holds it. */
export interface LeafLock {
  readonly leaf: string
  /** Null for a prepared transaction, which has a `gid`. */
  readonly pid: number | null
  readonly gid: string | null
  readonly application: string
  readonly state: string | null
  readonly seconds: number | null
}

/** Seconds after which a leaf of the outbox that is not active should have been emptied. */
export function reclaimedBySeconds(retentionMs: number, slotWidthMs: number): number {
  // Once a slot is left its newest message ages; a slot's width past the retention the relay has had its chances.
  return (retentionMs + slotWidthMs) / 1000
}

/** The leaves that are past their time. */
export function lateLeaves(leaves: readonly Leaf[], retentionMs: number, slotWidthMs: number): Leaf[] {
  const late = reclaimedBySeconds(retentionMs, slotWidthMs)
  return leaves.filter((leaf) => !leaf.active && leaf.newestSeconds !== null && leaf.newestSeconds > late)
}

/** Who holds locks on the late leaves. Asks only when there are any. */
export async function readLeafLocks(tx: Tx, schema: string, late: readonly Leaf[]): Promise<LeafLock[]> {
  if (late.length === 0) return []
  const names: Tables = tables(schema)
  const { rows } = await tx.query<LeafLock>(
    `SELECT class.relname AS leaf, lock.pid, max(prepared.gid) AS gid, coalesce(max(session.application_name), '') AS application,
       max(session.state) AS state,
       extract(epoch FROM clock_timestamp() - min(coalesce(session.xact_start, prepared.prepared)))::float8 AS seconds
     FROM pg_locks AS lock
     JOIN pg_class AS class ON class.oid = lock.relation
     LEFT JOIN pg_stat_activity AS session ON session.pid = lock.pid
     -- A prepared transaction has no process; its lock on its own number tells which one it is.
     LEFT JOIN pg_locks AS own ON lock.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
       AND own.virtualtransaction = lock.virtualtransaction
     LEFT JOIN pg_prepared_xacts AS prepared ON prepared.transaction = own.transactionid
     WHERE lock.granted AND lock.locktype = 'relation' AND lock.pid IS DISTINCT FROM pg_backend_pid()
       AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND class.oid IN (SELECT to_regclass(name) FROM json_array_elements_text($1::text::json) AS given (name))
     GROUP BY class.relname, lock.pid, lock.virtualtransaction
     ORDER BY seconds DESC NULLS LAST LIMIT 20`,
    [JSON.stringify(late.map((leaf) => names.of(leaf.name)))],
  )
  return rows
}
