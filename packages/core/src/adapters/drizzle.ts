import { is, type SQL, sql, type TablesRelationalConfig } from 'drizzle-orm'
import { DrizzleQueryError } from 'drizzle-orm/errors'
import { type PgDatabase, type PgQueryResultHKT, PgTransaction } from 'drizzle-orm/pg-core'
import { OnceboxError } from '../errors.js'
import { libraryTransaction } from '../libraryTransaction.js'
import type { Database, Tx } from '../tx.js'

/** A transaction of any driver and any schema. */
export interface DrizzleTransaction {
  execute(query: SQL): PromiseLike<unknown>
  rollback(): never
}

/**
 * The Drizzle transaction `trx` as a `Tx`: the `tx` of `db.transaction(async (tx) => …)`, on node-postgres, postgres.js
 * or another driver for Postgres. Drizzle gives no sign that a transaction has ended: do not keep it.
 *
 * @throws OnceboxError `INVALID_SETTING` when it is given a Drizzle database that is no transaction.
 */
export function fromDrizzle(trx: DrizzleTransaction): Tx {
  if (!is(trx, PgTransaction)) {
    throw new OnceboxError('INVALID_SETTING', 'fromDrizzle was given something that is not a Postgres transaction', {
      next: 'Pass the tx of db.transaction(async (tx) => …).',
    })
  }
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      try {
        const result = await trx.execute(withParameters(text, values))
        // postgres.js gives the rows themselves, the other drivers a result that holds them.
        return { rows: (Array.isArray(result) ? [...result] : (result as { rows: Row[] }).rows) as Row[] }
      } catch (error) {
        // Drizzle's own error repeats the parameters in its text.
        throw error instanceof DrizzleQueryError && error.cause !== undefined ? error.cause : error
      }
    },
  }
}

/** Drizzle numbers the parameters itself; one that the text names twice is sent twice. */
function withParameters(text: string, values: readonly unknown[]): SQL {
  const chunks = text
    .split(/\$(\d+)/)
    .map((part, index) => (index % 2 === 0 ? sql.raw(part) : sql.param(values[Number(part) - 1])))
  return sql.join(chunks)
}

/**
 * A Drizzle database as a consumer's; `trx` in handlers is its own `PgTransaction`, with the schema's types. The caller
 * closes the driver below it. Give a `pg` pool to `surviveConnectionLoss` (`@oncebox/core/pg`): Drizzle listens to no
 * connection's errors, and one that is lost between two statements would end the process.
 */
export function drizzleDatabase<
  Result extends PgQueryResultHKT,
  FullSchema extends Record<string, unknown>,
  Schema extends TablesRelationalConfig,
>(db: PgDatabase<Result, FullSchema, Schema>): Database<PgTransaction<Result, FullSchema, Schema>> {
  return {
    txOf: fromDrizzle,
    transaction: (work) =>
      libraryTransaction(
        { run: (body) => db.transaction(body, { isolationLevel: 'read committed' }), txOf: fromDrizzle },
        work,
      ),
  }
}
