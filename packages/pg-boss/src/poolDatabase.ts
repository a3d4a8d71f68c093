import { sqlState, surviveConnectionLoss, takeClient } from '@oncebox/core'
import type { Db } from 'pg-boss'
import type { ConnectionPool } from './options.js'

type TransactionHandle = Awaited<ReturnType<NonNullable<Db['beginTransaction']>>>
/** What pg-boss runs its statements on, with transactions that a caller ends. */
export type BossDatabase = Db & { beginTransaction(): Promise<TransactionHandle> }

/** A user's pool as pg-boss's database. `answerMs`: longer it waits neither for a connection nor for an answer. */
export function poolDatabase(pool: ConnectionPool, answerMs: number): BossDatabase {
  surviveConnectionLoss(pool)
  return {
    async executeSql(text, values) {
      const { run, release } = await takeConnection(pool, answerMs)
      try {
        const result = await run(text, values)
        release()
        return result
      } catch (error) {
        release(error as Error)
        throw error
      }
    },
    beginTransaction: () => beginOn(pool, answerMs),
  }
}

async function takeConnection(pool: ConnectionPool, answerMs: number) {
  const connection = await takeClient(pool, answerMs)
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
  const run = async (text: string, values: unknown[] = []) => {
    if (released) throw new Error('Connection terminated')
    try {
      return await connection.query({ text, values, query_timeout: answerMs })
    } catch (error) {
      // Not the server's error: it said nothing, and whatever comes next would wait behind this statement.
      if (sqlState(error) === undefined) release(error as Error)
      throw error
    }
  }
  return { run, release }
}

async function beginOn(pool: ConnectionPool, answerMs: number): Promise<TransactionHandle> {
  const { run, release } = await takeConnection(pool, answerMs)
  const runOrRelease = async (text: string) => {
    try {
      await run(text)
    } catch (error) {
      release(error as Error)
      throw error
    }
  }
  await runOrRelease('BEGIN')
  return {
    db: { executeSql: run },
    async commit() {
      await runOrRelease('COMMIT')
      release()
    },
    async rollback() {
      await runOrRelease('ROLLBACK').catch(() => undefined)
      release()
    },
  }
}
