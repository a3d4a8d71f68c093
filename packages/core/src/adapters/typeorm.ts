import { type DataSource, type EntityManager, QueryFailedError, type QueryRunner } from 'typeorm'
import { OnceboxError } from '../errors.js'
import { libraryTransaction } from '../libraryTransaction.js'
import { transactionEnded } from '../transactionEnd.js'
import type { Database, TransactionScope, Tx } from '../tx.js'

/** The `EntityManager` of a transaction. */
export type TypeormTransaction = Pick<EntityManager, 'queryRunner'>

/**
 * The TypeORM transaction of `manager` as a `Tx`: what `dataSource.transaction(async (manager) => …)` gives, or the
 * `manager` of a query runner on which you called `startTransaction`.
 *
 * @throws OnceboxError `INVALID_SETTING` when it is given an entity manager outside a transaction. The `Tx` throws
 *   `TRANSACTION_ENDED` for statements that come after the transaction.
 */
export function fromTypeorm(manager: TypeormTransaction): Tx {
  const runner = manager.queryRunner
  if (!runner?.isTransactionActive) {
    throw new OnceboxError('INVALID_SETTING', 'fromTypeorm was given an entity manager that is in no transaction', {
      next: 'Pass the manager of dataSource.transaction(async (manager) => …).',
    })
  }
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      if (runner.isReleased || !runner.isTransactionActive) throw transactionEnded()
      try {
        const { records } = await runner.query(text, [...values], true)
        return { rows: records as Row[] }
      } catch (error) {
        // TypeORM's own error carries the parameters.
        throw error instanceof QueryFailedError ? error.driverError : error
      }
    },
  }
}

/**
 * A TypeORM `DataSource` (type `postgres`) as a consumer's database; `trx` in handlers is the `EntityManager` of the
 * transaction: use it, not repositories of the data source. The caller initializes and destroys it.
 */
export function typeormDatabase(dataSource: Pick<DataSource, 'createQueryRunner'>): Database<EntityManager> {
  return {
    txOf: fromTypeorm,
    transaction<T>(work: (scope: TransactionScope<EntityManager>) => Promise<T>) {
      return libraryTransaction(
        { run: (body) => inTransaction(dataSource.createQueryRunner(), body), txOf: fromTypeorm },
        work,
      )
    },
  }
}

/** `dataSource.transaction` hides that ROLLBACK had no answer, which is how a lost connection is known. */
async function inTransaction<T>(runner: QueryRunner, body: (manager: EntityManager) => Promise<T>): Promise<T> {
  try {
    try {
      await runner.startTransaction('READ COMMITTED')
    } catch (error) {
      throw error instanceof QueryFailedError ? error.driverError : error
    }
    let result: T
    try {
      result = await body(runner.manager)
    } catch (error) {
      await runner.rollbackTransaction()
      throw error
    }
    await runner.commitTransaction()
    return result
  } finally {
    await runner.release()
  }
}
