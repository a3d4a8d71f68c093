import type { Knex } from 'knex'
import { OnceboxError } from '../errors.js'
import { libraryTransaction } from '../libraryTransaction.js'
import { transactionEnded } from '../transactionEnd.js'
import type { Database, TransactionScope, Tx } from '../tx.js'

/** A `Knex.Transaction` of any record type. */
export type KnexTransaction = Pick<Knex.Transaction, 'isTransaction' | 'isCompleted' | 'client'>

/** What Knex's `pg` client hands out as a connection: `pg`'s own client. */
interface PgConnection {
  query(text: string, values: unknown[]): Promise<{ readonly rows: object[] }>
}

/**
 * The Knex transaction `trx` as a `Tx`; a nested one is its savepoint. Statements go to its `pg` connection, so that
 * neither `?` in them nor Knex's `postProcessResponse` gets a meaning.
 *
 * @throws OnceboxError `INVALID_SETTING` when it is given a Knex instance that is no transaction. The `Tx` throws
 *   `TRANSACTION_ENDED` for statements that come after the transaction.
 */
export function fromKnex(trx: KnexTransaction): Tx {
  if (trx.isTransaction !== true) {
    throw new OnceboxError('INVALID_SETTING', 'fromKnex was given a Knex instance that is not a transaction', {
      next: 'Pass the trx of knex.transaction(async (trx) => …).',
    })
  }
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      if (trx.isCompleted()) throw transactionEnded()
      const connection: PgConnection = await trx.client.acquireConnection()
      const { rows } = await connection.query(text, [...values])
      return { rows: rows as Row[] }
    },
  }
}

/**
 * A Knex instance (client `pg`) as a consumer's database; `trx` in handlers is its `Knex.Transaction`. The caller
 * destroys it.
 */
export function knexDatabase(knex: Pick<Knex, 'transaction'>): Database<Knex.Transaction> {
  return {
    txOf: fromKnex,
    transaction<T>(work: (scope: TransactionScope<Knex.Transaction>) => Promise<T>) {
      const run = (body: (trx: Knex.Transaction) => Promise<T>) =>
        knex.transaction(
          (trx) => {
            // Knex calls this also when its BEGIN failed.
            if (trx.isCompleted()) throw transactionEnded()
            return body(trx)
          },
          { isolationLevel: 'read committed' },
        )
      return libraryTransaction({ run, txOf: fromKnex }, work)
    },
  }
}
