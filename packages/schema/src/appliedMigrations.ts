import type { Tx } from '@oncebox/core'
import { defaultSchema } from './schemaName.js'
import { tables } from './tables.js'

/** A row of the table `migration`: what the database says was applied. */
export interface AppliedMigration {
  readonly version: number
  readonly name: string
  readonly checksum: string
  /** RFC 3339 in UTC. */
  readonly appliedAt: string
}

/** Reads what was applied, by version; empty where there is no schema or no table `migration` yet. */
export async function readApplied(tx: Tx, schema: string): Promise<readonly AppliedMigration[]> {
  const { migration } = tables(schema)
  if (!(await tableExists(tx, schema, 'migration'))) return []
  const { rows } = await tx.query<AppliedMigration>(
    `SELECT version, name, checksum,
       to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "appliedAt"
     FROM ${migration}
     ORDER BY version`,
  )
  return rows
}

/**
 * The version of the newest migration applied to the schema; null where it was never migrated.
 *
 * @throws OnceboxError `INVALID_SETTING` when the schema name is not usable; the driver's error otherwise.
 */
export async function schemaVersion(tx: Tx, options: { readonly schema?: string } = {}): Promise<number | null> {
  const schema = options.schema ?? defaultSchema
  const { migration } = tables(schema)
  if (!(await tableExists(tx, schema, 'migration'))) return null
  const { rows } = await tx.query<{ version: number | null }>(`SELECT max(version) AS version FROM ${migration}`)
  return rows[0]?.version ?? null
}

async function tableExists(tx: Tx, schema: string, table: string): Promise<boolean> {
  const { rows } = await tx.query(
    `SELECT 1 AS found
     FROM pg_catalog.pg_class AS class
     JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
     WHERE namespace.nspname = $1 AND class.relname = $2`,
    [schema, table],
  )
  return rows.length > 0
}
