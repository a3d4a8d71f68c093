import { createHash } from 'node:crypto'
import type { ClientBase, Pool, PoolClient } from 'pg'
import { surviveConnectionLoss } from '../connectionLoss.js'
import { isOnceboxError, OnceboxError } from '../errors.js'
import { sqlState } from '../sqlstate.js'
import { databaseUnreachable, endableTx, transactionAborted } from '../transactionEnd.js'
import type { Database, TransactionScope, Tx } from '../tx.js'

export { surviveConnectionLoss } from '../connectionLoss.js'

export interface PgOptions {
  /**
   * True: the server parses and plans the statements that `emit` and consumers repeat once a connection, not at every
   * call, which is most of what a small one costs. Not behind a pooler in transaction mode that does not follow prepared
   * statements (pgbouncer before 1.21). Default false.
   */
  readonly prepare?: boolean
}

/**
 * The transaction that is open on `client` (a `pg` Client or PoolClient on which the caller ran BEGIN).
 *
 * @throws OnceboxError `INVALID_SETTING` when it is given a pool, whose every query may run on another connection.
 */
export function fromPg(client: ClientBase, { prepare = false }: PgOptions = {}): Tx {
  if ('totalCount' in client) {
    throw new OnceboxError('INVALID_SETTING', 'fromPg was given a pool, which is not a transaction', {
      next: 'Take a client from the pool, run BEGIN on it, and pass the client.',
    })
  }
  const tx: Tx = {
    async query<Row extends object>(text: string, values?: readonly unknown[]) {
      const result = await client.query(text, values as unknown[] | undefined)
      return { rows: result.rows as Row[] }
    },
  }
  if (!prepare) return tx
  return {
    ...tx,
    async queryPrepared<Row extends object>(text: string, values: readonly unknown[]) {
      const result = await client.query({ name: statementName(text), text, values: [...values] })
      return { rows: result.rows as Row[] }
    },
  }
}

const names = new Map<string, string>()

/** By the text, so that two copies of this package on one connection cannot mean different statements by one name. */
function statementName(text: string): string {
  let name = names.get(text)
  if (name === undefined) {
    name = `oncebox_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
    names.set(text, name)
  }
  return name
}

/**
 * A `pg` Pool as a consumer's database; `trx` in handlers is the pool's client. The caller closes the pool.
 * Connections that are lost do not end the process (`surviveConnectionLoss`) and do not go back to the pool.
 */
export function pgDatabase(pool: Pool, options: PgOptions = {}): Database<ClientBase> {
  surviveConnectionLoss(pool)
  return {
    txOf: (client) => fromPg(client, options),
    async transaction(work) {
      const client = await pool.connect().catch((cause) => {
        throw databaseUnreachable('before the transaction began', cause)
      })
      let lost: Error | undefined
      const onError = (error: Error) => {
        lost ??= error
      }
      client.on('error', onError)
      try {
        return await transact(client, options, work)
      } catch (error) {
        // A server that aborted the transaction by itself answers ROLLBACK with a warning; one that is gone, not at all.
        await client.query('ROLLBACK').catch(onError)
        if (lost === undefined || isOnceboxError(error, 'DATABASE_UNREACHABLE')) throw error
        // What the server said last (25P03, 57P01, …) comes to the one or the other.
        const told = sqlState(error) === undefined && sqlState(lost) !== undefined ? lost : error
        throw databaseUnreachable('inside the transaction', told)
      } finally {
        client.off('error', onError)
        client.release(lost)
      }
    },
  }
}

async function transact<T>(
  client: PoolClient,
  options: PgOptions,
  work: (scope: TransactionScope<ClientBase>) => Promise<T>,
): Promise<T> {
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED').catch((cause) => {
    throw databaseUnreachable('before the transaction began', cause)
  })
  const { tx, end } = endableTx(fromPg(client, options))
  let result: T
  try {
    result = await work({ trx: client, tx })
  } finally {
    end()
  }
  const { command } = await client.query('COMMIT')
  if (command === 'ROLLBACK') throw transactionAborted()
  return result
}
