import type { Tx } from '@oncebox/core'

export interface ServerFacts {
  /** `server_version_num`: 180004. */
  readonly version: number
  readonly standby: boolean
  readonly fsync: boolean
  readonly fullPageWrites: boolean
  /** As a new session of this user in this database has it. */
  readonly synchronousCommit: string
  /** Milliseconds; 0: no limit. */
  readonly idleInTransactionMs: number
  /** Megabytes; -1: no limit. */
  readonly slotWalMegabytes: number
  readonly slots: readonly { readonly name: string; readonly active: boolean }[]
}

export async function readServer(tx: Tx): Promise<ServerFacts> {
  const { rows } = await tx.query<Omit<ServerFacts, 'slots'> & { slots: string }>(
    `SELECT current_setting('server_version_num')::int AS version,
       pg_is_in_recovery() AS standby,
       current_setting('fsync')::boolean AS fsync,
       current_setting('full_page_writes')::boolean AS "fullPageWrites",
       (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit') AS "synchronousCommit",
       (SELECT reset_val::int FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout') AS "idleInTransactionMs",
       (SELECT setting::int FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS "slotWalMegabytes",
       (SELECT coalesce(json_agg(json_build_object('name', slot_name, 'active', active) ORDER BY slot_name), '[]')
        FROM pg_replication_slots)::text AS slots`,
  )
  const row = rows[0] as (typeof rows)[number]
  return { ...row, slots: JSON.parse(row.slots) as ServerFacts['slots'] }
}
