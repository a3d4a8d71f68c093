import { createHash } from 'node:crypto'
import { quoteSchema } from './schemaName.js'
import { tables } from './tables.js'

/** The value of search_path that migrations run with. pg_temp comes last, or temporary tables would come first. */
export function searchPath(schema: string): string {
  return `${quoteSchema(schema)}, pg_temp`
}

/** The advisory lock of a schema's migrations, as decimal text of a signed 64-bit number. */
export function lockKey(schema: string): string {
  return createHash('sha256').update(`oncebox migrate ${schema}`).digest().readBigInt64BE(0).toString()
}

/** The table that says what was applied. It is not a migration itself, because every migration is written into it. */
export function createMigrationTable(schema: string): string {
  return `CREATE TABLE IF NOT EXISTS ${tables(schema).migration} (
  version    integer PRIMARY KEY,
  name       text NOT NULL,
  checksum   text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)`
}
