import { CompiledQuery, type Kysely, type Transaction } from 'kysely'
import type { Database, Tx } from '../tx.js'

/** The Kysely transaction `trx` as a `Tx`. */
export function fromKysely<DB>(trx: Transaction<DB>): Tx {
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      const result = await trx.executeQuery<Row>(CompiledQuery.raw(text, [...values]))
      return { rows: result.rows }
    },
  }
}

/** A Kysely instance as a consumer's database; `trx` in handlers is its `Transaction<DB>`. The caller destroys it. */
export function kyselyDatabase<DB>(db: Kysely<DB>): Database<Transaction<DB>> {
  return {
    transaction: (work) =>
      db
        .transaction()
        .setIsolationLevel('read committed')
        .execute((trx) => work({ trx, tx: fromKysely(trx) })),
  }
}
