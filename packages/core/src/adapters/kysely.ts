import { CompiledQuery, type Kysely, type QueryExecutor, type Transaction } from 'kysely'
import { OnceboxError } from '../errors.js'
import { sqlState } from '../sqlstate.js'
import { databaseUnreachable, endableTx, transactionAborted, transactionEnded } from '../transactionEnd.js'
import type { Database, Tx } from '../tx.js'

/** A `Transaction<DB>` or `ControlledTransaction<DB>` of any DB. */
export type KyselyTransaction = Pick<Transaction<never>, 'isTransaction' | 'getExecutor'>

/**
 * The Kysely transaction `trx` as a `Tx`. Its plugins (a CamelCasePlugin, for example) do not touch our statements.
 *
 * @throws OnceboxError `INVALID_SETTING` when it is given a Kysely instance that is no transaction. The `Tx` throws
 *   `TRANSACTION_ENDED` for statements that come after the transaction.
 */
export function fromKysely(trx: KyselyTransaction): Tx {
  if (trx.isTransaction !== true) {
    throw new OnceboxError('INVALID_SETTING', 'fromKysely was given a Kysely instance that is not a transaction', {
      next: 'Pass the trx of db.transaction().execute(async (trx) => …).',
    })
  }
  const executor = trx.getExecutor().withoutPlugins()
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      try {
        const result = await executor.executeQuery<Row>(CompiledQuery.raw(text, [...values]))
        return { rows: result.rows }
      } catch (error) {
        throw sqlState(error) === undefined && (await hasEnded(executor)) ? transactionEnded(error) : error
      }
    },
  }
}

/** Kysely gives no sign that a transaction has ended but this: it hands out its connection no more. */
async function hasEnded(executor: QueryExecutor): Promise<boolean> {
  try {
    await executor.provideConnection(async () => {})
    return false
  } catch {
    return true
  }
}

/**
 * A Kysely instance as a consumer's database; `trx` in handlers is its `Transaction<DB>`. The caller destroys it.
 *
 * Give the pg pool below it to `surviveConnectionLoss` (`@oncebox/core/pg`): Kysely listens to no connection's errors,
 * and one that is lost between two statements would end the process.
 */
export function kyselyDatabase<DB>(db: Kysely<DB>): Database<Transaction<DB>> {
  return {
    txOf: fromKysely,
    async transaction(work) {
      let begun = false
      let failure: { readonly error: unknown } | undefined
      try {
        return await db
          .transaction()
          .setIsolationLevel('read committed')
          .execute(async (trx) => {
            begun = true
            const { tx, end } = endableTx(fromKysely(trx))
            try {
              return await work({ trx, tx })
            } catch (error) {
              failure = { error }
              throw error
            } finally {
              end()
            }
          })
      } catch (error) {
        if (!begun) throw databaseUnreachable('before the transaction began', error)
        if (failure !== undefined && failure.error === error) throw error
        // Kysely throws another error than the work's only when its ROLLBACK had no answer.
        if (failure !== undefined) throw databaseUnreachable('inside the transaction', failure.error)
        if (isAbortedTransaction(error)) throw transactionAborted(error)
        if (sqlState(error) === undefined) throw databaseUnreachable('while it committed', error)
        throw error
      }
    },
  }
}

/** Kysely ≥ 0.29 checks what COMMIT answered, and marks its error with this registered symbol. */
function isAbortedTransaction(error: unknown): boolean {
  return typeof error === 'object' && error !== null && Symbol.for('kysely.AbortedTransactionError') in error
}

export type { InboxTable, OnceboxTables, OutboxTable, ScheduledTable } from './kyselyTables.js'
