/** What is needed of a pg `Pool`, which is one. */
export interface EventfulPool {
  on(event: 'error', listener: () => void): unknown
  on(event: 'acquire', listener: (client: EventfulClient) => void): unknown
}

interface EventfulClient {
  on(event: 'error', listener: () => void): unknown
}

const survivors = new WeakSet<object>()

/**
 * Keeps the process alive when a connection of `pool` is lost while nobody waits for an answer on it: pg reports that as
 * an `error` event, on the pool or on the client in use, which without a listener would be an uncaught exception. The
 * loss is not hidden: the next statement on the connection fails. Calling it twice is fine.
 *
 * A listener that is added once `pool.connect()` has resolved comes too late: a server that shuts down may send "ready"
 * and "terminating connection" in one piece, and both are handled before the promise's turn.
 */
export function surviveConnectionLoss(pool: EventfulPool): void {
  if (survivors.has(pool)) return
  survivors.add(pool)
  const failsAtNextStatement = () => {}
  pool.on('error', failsAtNextStatement)
  pool.on('acquire', (client) => {
    if (survivors.has(client)) return
    survivors.add(client)
    client.on('error', failsAtNextStatement)
  })
}
