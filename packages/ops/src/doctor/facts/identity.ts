import type { Tx } from '@oncebox/core'
import { tables } from '@oncebox/schema'

/** Transaction numbers mean nothing in another cluster, so the counts of lanes mean nothing either. */
export async function readDatabaseChanged(tx: Tx, schema: string): Promise<boolean> {
  const { rows } = await tx.query<{ same: boolean }>(
    `SELECT system_identifier = (SELECT system_identifier::text FROM pg_control_system())
       AND database_oid = (SELECT oid FROM pg_database WHERE datname = current_database()) AS same
     FROM ${tables(schema).databaseIdentity}`,
  )
  return rows[0]?.same === false
}
