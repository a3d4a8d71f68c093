import type { Socket } from 'node:net'

/** What is needed of a pg `Pool`, which is one. */
export interface EventfulPool {
  on(event: 'error', listener: () => void): unknown
  on(event: 'acquire', listener: (client: EventfulClient) => void): unknown
  /** `keepAlive`: what its owner wants, where the pool tells. */
  readonly options?: { readonly keepAlive?: boolean | undefined }
}

interface EventfulClient {
  on(event: 'error', listener: () => void): unknown
}

/** pg's own client is one, though its types do not say so; pg-native's is not. */
interface SocketClient {
  readonly connection?: { readonly stream: Partial<Pick<Socket, 'setKeepAlive'>> }
}

const survivors = new WeakSet<object>()

/** Node.js asks ten times from then on, once a second. */
const keepAliveMs = 10_000

/**
 * Keeps the process alive, and at work, when connections of `pool` are lost.
 *
 * One that ends while nobody waits for an answer on it pg reports as an `error` event, on the pool or on the client in use, which
 * without a listener would be an uncaught exception. The loss is not hidden: the next statement on the connection fails.
 *
 * One whose other end vanishes without a goodbye (a dead host, a firewall that forgets) would be waited for without end: TCP asks
 * whether somebody is there, by default never. Here it asks, so that a statement whose answer cannot come fails within 20 s. A pool with a
 * `keepAlive` of its own keeps that.
 *
 * Calling it twice is fine. A listener that is added once `pool.connect()` has resolved comes too late: a server that shuts
 * down may send "ready" and "terminating connection" in one piece, and both are handled before the promise's turn.
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
    if (pool.options?.keepAlive === undefined)
      (client as SocketClient).connection?.stream.setKeepAlive?.(true, keepAliveMs)
  })
}
