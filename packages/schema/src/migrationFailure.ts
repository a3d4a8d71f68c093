import { classifyDatabaseError, OnceboxError, sqlState } from '@oncebox/core'
import type { Migration } from './migrationFiles.js'

/** The error for a migration whose SQL failed: `MIGRATION_FAILED` with file, line and SQLSTATE, the driver's error as cause. */
export function migrationFailure(schema: string, migration: Migration, error: unknown): OnceboxError {
  const state = sqlState(error)
  if (state === undefined && classifyDatabaseError(error) === 'unavailable') {
    return new OnceboxError('DATABASE_UNREACHABLE', `The connection was lost during migration ${migration.file}`, {
      next: 'Run migrate again: the migration was either applied whole or not at all.',
      cause: error,
    })
  }
  const line = lineOf(migration.sql, error)
  const where = line === null ? migration.file : `${migration.file}, line ${line},`
  const why = state === undefined ? '' : ` with SQLSTATE ${state}: ${(error as Error).message}`
  return new OnceboxError('MIGRATION_FAILED', `Migration ${where} failed in schema ${JSON.stringify(schema)}${why}`, {
    next:
      classifyDatabaseError(error) === 'lockTimeout'
        ? 'Nothing of it was kept. A transaction holds a table of the schema: let it end, or end it (pg_stat_activity, the oldest xact_start), and run migrate again.'
        : 'Nothing of it was kept; remove the cause and run migrate again.',
    cause: error,
  })
}

/** The line of the server's error position (characters from 1), or null when the error names no position. */
function lineOf(sql: string, error: unknown): number | null {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth++) {
    const position = Number((current as { position?: unknown }).position)
    // Postgres counts code points, JavaScript UTF-16 units.
    if (Number.isInteger(position) && position > 0)
      return [...sql]
        .slice(0, position - 1)
        .join('')
        .split('\n').length
  }
  return null
}
