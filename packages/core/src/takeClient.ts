import { OnceboxError } from './errors.js'

/**
 * A connection of the pool within `timeoutMs`. By itself pg waits for ever for a server, or a pooler, that accepts a
 * connection and says nothing, and whoever waits with it does nothing else any more. One that comes too late is closed.
 *
 * @throws OnceboxError `DATABASE_UNREACHABLE` when none came in time; the driver's error when none can be had.
 */
export function takeClient<Client extends { release(destroy: boolean): void }>(
  pool: { connect(): Promise<Client> },
  timeoutMs: number,
): Promise<Client> {
  return new Promise((resolve, reject) => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      reject(
        new OnceboxError('DATABASE_UNREACHABLE', `The pool had no connection within ${timeoutMs} ms`, {
          next: 'It is tried again. A pool with connectionTimeoutMillis gives up connections that come to nothing.',
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
