import type { Tx } from '@oncebox/core'

/** What the user of this session may do. */
export interface Rights {
  readonly user: string
  /** The schema itself, or relations in it, that the user may not read. */
  readonly unreadable: readonly string[]
  /** Whether the user sees what sessions of others do. */
  readonly seesSessions: boolean
}

/** Reads only what everybody may read. */
export async function readRights(tx: Tx, schema: string): Promise<Rights> {
  const { rows } = await tx.query<{ user: string; seesSessions: boolean; unreadable: string }>(
    `SELECT current_user AS "user", pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS "seesSessions",
       coalesce((
         SELECT json_agg(name ORDER BY name) FROM (
           SELECT nspname AS name FROM pg_namespace
           WHERE nspname = $1::text AND NOT has_schema_privilege(oid, 'USAGE')
           UNION ALL
           SELECT class.relname FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
           WHERE namespace.nspname = $1::text AND has_schema_privilege(namespace.oid, 'USAGE') AND CASE class.relkind
             WHEN 'S' THEN NOT has_sequence_privilege(class.oid, 'SELECT')
             WHEN 'r' THEN NOT has_any_column_privilege(class.oid, 'SELECT')
             WHEN 'p' THEN NOT has_any_column_privilege(class.oid, 'SELECT')
             ELSE false
           END
         ) AS missing
       ), '[]')::text AS unreadable`,
    [schema],
  )
  const row = rows[0] as (typeof rows)[number]
  return { ...row, unreadable: JSON.parse(row.unreadable) as string[] }
}
