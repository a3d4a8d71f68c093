import { OnceboxError, quoteIdentifier } from '@oncebox/core'

/** The schema used where a setting names none. */
export const defaultSchema = 'oncebox'

/**
 * Quotes the name of the schema for SQL text.
 *
 * @throws OnceboxError `INVALID_SETTING` when it is empty, longer than 63 bytes, holds a NUL, or begins with `pg_`
 *   (which Postgres keeps for itself).
 */
export function quoteSchema(schema: string): string {
  const quoted = quoteIdentifier(schema)
  if (schema.startsWith('pg_')) {
    throw new OnceboxError('INVALID_SETTING', `Schema name ${JSON.stringify(schema)} begins with "pg_"`, {
      next: 'Choose another name: Postgres keeps the prefix pg_ for itself.',
    })
  }
  return quoted
}
