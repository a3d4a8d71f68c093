import type { Tx } from '@oncebox/core'

/** A session whose transaction has been open for long, in any database of the cluster. */
export interface SnapshotHolder {
  readonly pid: number
  readonly user: string | null
  readonly database: string | null
  readonly application: string
  /** `idle in transaction`, `active`. */
  readonly state: string | null
  /** Seconds since its transaction, and its last statement, began. */
  readonly transactionSeconds: number
  readonly querySeconds: number | null
  /** Whether vacuum, in the whole cluster, keeps what this one could still see. */
  readonly holdsSnapshot: boolean
}

/** Ten of those open for longest. Without the right to see sessions of others, none of theirs. */
export async function readSnapshotHolders(tx: Tx, olderThanMs: number): Promise<SnapshotHolder[]> {
  const { rows } = await tx.query<SnapshotHolder>(
    `SELECT pid, usename AS "user", datname AS database, coalesce(application_name, '') AS application, state,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS "transactionSeconds",
       extract(epoch FROM clock_timestamp() - query_start)::float8 AS "querySeconds",
       backend_xmin IS NOT NULL OR backend_xid IS NOT NULL AS "holdsSnapshot"
     FROM pg_stat_activity
     WHERE xact_start <= clock_timestamp() - $1::text::float8 * interval '1 millisecond'
       AND backend_type = 'client backend' AND pid <> pg_backend_pid()
     ORDER BY xact_start LIMIT 10`,
    [String(olderThanMs)],
  )
  return rows
}

/** A transaction that was prepared for a two-phase commit and neither committed nor rolled back. */
export interface PreparedTransaction {
  readonly gid: string
  readonly owner: string
  readonly database: string
  readonly seconds: number
}

export async function readPreparedTransactions(tx: Tx, olderThanMs: number): Promise<PreparedTransaction[]> {
  const { rows } = await tx.query<PreparedTransaction>(
    `SELECT gid, owner, database, extract(epoch FROM clock_timestamp() - prepared)::float8 AS seconds
     FROM pg_prepared_xacts
     WHERE prepared <= clock_timestamp() - $1::text::float8 * interval '1 millisecond'
     ORDER BY prepared LIMIT 10`,
    [String(olderThanMs)],
  )
  return rows
}
