import type { ClientBase, Pool } from 'pg'
import type { Database, Tx } from '../tx.js'

/** The transaction that is open on `client` (a `pg` Client or PoolClient on which the caller ran BEGIN). */
export function fromPg(client: ClientBase): Tx {
  return {
    async query<Row extends object>(text: string, values?: readonly unknown[]) {
      const result = await client.query(text, values as unknown[] | undefined)
      return { rows: result.rows as Row[] }
    },
  }
}

/** A `pg` Pool as a consumer's database; `trx` in handlers is the pool's client. The caller closes the pool. */
export function pgDatabase(pool: Pool): Database<ClientBase> {
  return {
    async transaction(work) {
      const client = await pool.connect()
      let broken: Error | undefined
      // A connection that dies between two statements emits an error; without a listener it would end the process.
      const onError = (error: Error) => {
        broken = error
      }
      client.on('error', onError)
      try {
        await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
        const result = await work({ trx: client, tx: fromPg(client) })
        await client.query('COMMIT')
        return result
      } catch (error) {
        await client.query('ROLLBACK').catch((rollbackError: Error) => {
          broken = rollbackError
        })
        throw error
      } finally {
        client.off('error', onError)
        client.release(broken)
      }
    },
  }
}
