import { OnceboxError } from '@oncebox/core'
import type { PooledClient, SessionPool } from './session.js'

/**
 * A connection of the pool within `timeoutMs`. By itself pg waits for ever for a server, or a pooler, that accepts a
 * connection and says nothing; a relay that waits with it would stand by and never take over. One that comes too late is
 * closed.
 *
 * @throws OnceboxError `DATABASE_UNREACHABLE` when none came in time; the driver's error when none can be had.
 */
export function takeClient(pool: SessionPool, timeoutMs: number): Promise<PooledClient> {
  return new Promise((resolve, reject) => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      reject(
        new OnceboxError('DATABASE_UNREACHABLE', `The pool had no connection for the relay within ${timeoutMs} ms`, {
          next: 'The relay tries again by itself. A pool with connectionTimeoutMillis gives up connections that come to nothing.',
        }),
      )
    }, timeoutMs)
    pool.connect().then(
      (client) => {
        clearTimeout(timer)
        if (late) client.release(true)
        else resolve(client)
      },
      (error) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
