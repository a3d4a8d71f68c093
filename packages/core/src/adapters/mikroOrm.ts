import { type EntityManager, TransactionContext } from '@mikro-orm/postgresql'
import type { CompiledQuery, ControlledTransaction } from 'kysely'
import { OnceboxError } from '../errors.js'
import { libraryTransaction } from '../libraryTransaction.js'
import { transactionEnded } from '../transactionEnd.js'
import type { Database, TransactionScope, Tx } from '../tx.js'

/** The `EntityManager` of a transaction. */
export type MikroOrmTransaction = Pick<EntityManager, 'getTransactionContext'>

/**
 * The MikroORM transaction of `em` as a `Tx`: what `em.transactional(async (em) => …)` gives, or an entity manager on
 * which you called `begin`. What `em` still holds back is not written by it: `await em.flush()` before you emit, so that
 * a message comes after the write that it tells of.
 *
 * @throws OnceboxError `INVALID_SETTING` when it is given an entity manager outside a transaction. The `Tx` throws
 *   `TRANSACTION_ENDED` for statements that come after the transaction.
 */
export function fromMikroOrm(em: MikroOrmTransaction): Tx {
  const trx = em.getTransactionContext<ControlledTransaction<unknown>>()
  if (trx === undefined) {
    throw new OnceboxError('INVALID_SETTING', 'fromMikroOrm was given an entity manager that is in no transaction', {
      next: 'Pass the em of orm.em.transactional(async (em) => …).',
    })
  }
  // MikroORM's own execute() writes parameters into the text; the Kysely transaction below it sends them apart.
  const executor = trx.getExecutor().withoutPlugins()
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      if (trx.isCommitted || trx.isRolledBack) throw transactionEnded()
      const { rows } = await executor.executeQuery<Row>(rawStatement(text, values))
      return { rows }
    },
  }
}

/** Kysely's `CompiledQuery.raw`, without its module: only MikroORM's packages may find the one that they use. */
function rawStatement(sql: string, parameters: readonly unknown[]): CompiledQuery {
  const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] } as const
  return { sql, parameters, query, queryId: { queryId: 'oncebox' } }
}

/**
 * A MikroORM (of `@mikro-orm/postgresql`) as a consumer's database; `trx` in handlers is an `EntityManager` of its own for
 * each transaction, flushed before COMMIT. `orm.em` and repositories are bound to it while a handler runs. The caller
 * closes it.
 */
export function mikroOrmDatabase<Em extends EntityManager>(orm: { readonly em: Em }): Database<Em> {
  return {
    txOf: fromMikroOrm,
    transaction<T>(work: (scope: TransactionScope<Em>) => Promise<T>) {
      const run = (body: (em: Em) => Promise<T>) => inTransaction(orm.em.fork(), body)
      return libraryTransaction({ run, txOf: fromMikroOrm, flush: (em) => em.flush() }, work)
    },
  }
}

/**
 * `em.transactional` hides that ROLLBACK had no answer, which is how a lost connection is known, and with it the pool
 * loses a place for good (seen with 7.2.5): nobody gives such a connection back. This one is given back by its owner.
 */
function inTransaction<Em extends EntityManager, T>(em: Em, body: (em: Em) => Promise<T>): Promise<T> {
  return em
    .getKysely()
    .connection()
    .execute(async (connection) => {
      const trx = await connection.startTransaction().setIsolationLevel('read committed').execute()
      em.setTransactionContext(trx)
      let result: T
      try {
        result = await TransactionContext.create(em, () => body(em))
      } catch (error) {
        await trx.rollback().execute()
        throw error
      }
      await trx.commit().execute()
      return result
    })
}
