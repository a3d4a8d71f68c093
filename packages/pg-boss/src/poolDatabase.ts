import { surviveConnectionLoss } from '@oncebox/core'
import type { Db } from 'pg-boss'
import type { ConnectionPool } from './options.js'

type TransactionHandle = Awaited<ReturnType<NonNullable<Db['beginTransaction']>>>
/** What pg-boss runs its statements on, with transactions that a caller ends. */
export type BossDatabase = Db & { beginTransaction(): Promise<TransactionHandle> }

/** A user's pool as pg-boss's database. */
export function poolDatabase(pool: ConnectionPool): BossDatabase {
  surviveConnectionLoss(pool)
  return {
    executeSql: (text, values) => pool.query(text, values as unknown[] | undefined),
    beginTransaction: () => beginOn(pool),
  }
}

async function beginOn(pool: ConnectionPool): Promise<TransactionHandle> {
  const connection = await pool.connect()
  let released = false
  const release = (error?: Error) => {
    if (released) return
    released = true
    connection.off('error', onError)
    connection.release(error)
  }
  // A connection that dies between two statements emits an error; without a listener it would end the process.
  const onError = (error: Error) => release(error)
  connection.on('error', onError)
  const run = async (text: string, values?: unknown[]) => {
    if (released) throw new Error('Connection terminated')
    return connection.query(text, values)
  }
  try {
    await run('BEGIN')
  } catch (error) {
    release(error as Error)
    throw error
  }
  return {
    db: { executeSql: run },
    async commit() {
      try {
        await run('COMMIT')
      } catch (error) {
        release(error as Error)
        throw error
      }
      release()
    },
    async rollback() {
      if (released) return
      try {
        await run('ROLLBACK')
        release()
      } catch (error) {
        release(error as Error)
      }
    },
  }
}
