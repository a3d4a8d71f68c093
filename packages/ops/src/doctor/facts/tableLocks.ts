import type { Tx } from '@oncebox/core'

/** A session that keeps others from writing to tables of the schema. */
export interface TableLock {
  readonly pid: number
  readonly user: string | null
  readonly application: string
  readonly state: string | null
  readonly tables: readonly string[]
  /** Since its transaction began; null where this user may not see it. */
  readonly seconds: number | null
}

/**
 * Who holds a lock that conflicts with an INSERT, the longest first. Asks for no lock on the tables. Somebody who holds one for
 * a moment, as the relay does to empty a leaf, is no finding.
 */
export async function readTableLocks(tx: Tx, schema: string, longerThanMs: number): Promise<TableLock[]> {
  const { rows } = await tx.query<TableLock>(
    `SELECT lock.pid, max(session.usename) AS "user", coalesce(max(session.application_name), '') AS application,
       max(session.state) AS state, json_agg(DISTINCT class.relname) AS tables,
       extract(epoch FROM clock_timestamp() - min(session.xact_start))::float8 AS seconds
     FROM pg_locks AS lock
     JOIN pg_class AS class ON class.oid = lock.relation
     JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
     LEFT JOIN pg_stat_activity AS session ON session.pid = lock.pid
     WHERE lock.granted AND lock.locktype = 'relation' AND lock.pid <> pg_backend_pid()
       AND lock.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
       AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND namespace.nspname = $1::text AND class.relkind IN ('r', 'p')
     GROUP BY lock.pid
     HAVING min(session.xact_start) IS NULL
       OR min(session.xact_start) <= clock_timestamp() - $2::text::float8 * interval '1 millisecond'
     ORDER BY seconds DESC NULLS LAST LIMIT 10`,
    [schema, String(longerThanMs)],
  )
  return rows
}
