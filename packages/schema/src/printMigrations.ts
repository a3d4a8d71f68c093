import { quoteLiteral } from '@oncebox/core'
import { type Migration, readMigrations } from './migrationFiles.js'
import { createMigrationTable, lockKey, searchPath } from './migrationStatements.js'
import { defaultSchema, quoteSchema } from './schemaName.js'
import { tables } from './tables.js'

export interface PrintOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** The first version to print. Default 1: all of them, and the schema itself. */
  readonly from?: number
  /** The migrations to print. Default: the files of this package. For tests. */
  readonly migrations?: readonly Migration[]
}

/**
 * The migrations as plain SQL that another tool owns (Flyway, Prisma, drizzle-kit, node-pg-migrate, psql). It writes
 * down its own checksums, so that `migrate` and `plan` know it; the same options print the same text.
 *
 * It holds no BEGIN and no COMMIT: those tools open a transaction around a file, and a COMMIT inside would end theirs
 * halfway. It puts search_path back as it was, because they go on with the session.
 *
 * @throws OnceboxError `INVALID_SETTING` when the schema name is not usable.
 */
export function printMigrations(options: PrintOptions = {}): string {
  const schema = options.schema ?? defaultSchema
  const from = options.from ?? 1
  const files = (options.migrations ?? readMigrations()).filter((file) => file.version >= from)
  if (files.length === 0) return ''
  const first = files[0]?.version
  const last = files.at(-1)?.version
  const parts = [
    `-- oncebox: migrations ${first} to ${last} for schema ${commentOf(schema)}.
-- Run it in one transaction (psql: --single-transaction --set ON_ERROR_STOP=1); most migration tools do so by themselves.
SELECT pg_advisory_xact_lock(${lockKey(schema)});
SELECT set_config('oncebox.search_path_before', current_setting('search_path'), false);`,
  ]
  if (from <= 1) parts.push(`CREATE SCHEMA IF NOT EXISTS ${quoteSchema(schema)};\n${createMigrationTable(schema)};`)
  parts.push(`SELECT set_config('search_path', ${quoteLiteral(searchPath(schema))}, false);`)
  for (const file of files) parts.push(`${recordOf(schema, file)}\n\n${file.sql.trimEnd()}`)
  parts.push(`SELECT set_config('search_path', current_setting('oncebox.search_path_before'), false);\n`)
  return parts.join('\n\n')
}

/** Comes before the migration itself: applied twice, it stops here (23505) with nothing done. */
function recordOf(schema: string, file: Migration): string {
  const values = [String(file.version), quoteLiteral(file.name), quoteLiteral(file.checksum)]
  return `INSERT INTO ${tables(schema).migration} (version, name, checksum)\nVALUES (${values.join(', ')});`
}

/** A name inside a line comment must not end the line. */
function commentOf(schema: string): string {
  return JSON.stringify(schema).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}
