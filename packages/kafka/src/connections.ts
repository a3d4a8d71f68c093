import { isIP } from 'node:net'
import { type Broker, Connection, type ConnectionOptions, NetworkError } from '@platformatic/kafka'

/**
 * How long a connection may be silent before TCP asks whether the broker is there, ten times, once a second. A join waits for as
 * long as a rebalance lasts; without it, a broker whose host has vanished would be waited for as long.
 */
const keepAliveMs = 10_000

/** The library's own limit of a request; ours, given with each request, are always shorter. */
const neverMs = 2 ** 31 - 1

/** The connections of one purpose, one a broker, opened when they are first asked for. */
export class Connections {
  readonly #clientId: string
  readonly #settings: ConnectionOptions
  readonly #open = new Map<string, { readonly connection: Connection; readonly ready: Promise<Connection> }>()
  #closed = false

  constructor(clientId: string, settings: ConnectionOptions) {
    this.#clientId = clientId
    this.#settings = settings
  }

  /** Resolves to a connected one. Rejects with the client library's error when that takes longer than its timeout. */
  get(broker: Broker): Promise<Connection> {
    if (this.#closed) return Promise.reject(new NetworkError('The connections are closed'))
    const name = `${broker.host}:${broker.port}`
    const known = this.#open.get(name)
    // One that was just given up is on its way out, and must not be handed out once more.
    if (known !== undefined && known.connection.socket?.destroyed !== true) return known.ready
    const connection = new Connection(this.#clientId, { ...this.#settings, ...serverName(broker, this.#settings) })
    // An error event that nobody listens to ends the process; requests learn of it by themselves.
    connection.on('error', () => {})
    const ready = connect(connection, broker)
    const entry = { connection, ready }
    this.#open.set(name, entry)
    const forget = () => {
      if (this.#open.get(name) === entry) this.#open.delete(name)
    }
    connection.once('close', forget)
    ready.catch(forget)
    return ready
  }

  /** True while a connection to the broker is there or being made. */
  has(broker: Broker): boolean {
    return this.#open.has(`${broker.host}:${broker.port}`)
  }

  /** Ends all connections at once: what is in flight on them fails. */
  close(): void {
    this.#closed = true
    for (const { connection } of this.#open.values()) {
      // Ends the library's waiting for a connection that is still being made.
      connection.emit('error', new NetworkError('The connections are closed'))
      connection.socket?.destroy()
    }
    this.#open.clear()
  }
}

async function connect(connection: Connection, { host, port }: Broker): Promise<Connection> {
  try {
    await connection.connect(host, port)
    connection.socket.setKeepAlive(true, keepAliveMs)
    return connection
  } catch (error) {
    connection.socket?.destroy()
    throw error
  }
}

/** SNI, which hosted clusters need; an address is no server name (RFC 6066). */
function serverName({ host }: Broker, { tls, tlsServerName }: ConnectionOptions): ConnectionOptions {
  const given = tls?.servername ?? tlsServerName
  const named = tls !== undefined && given === undefined && isIP(host) === 0
  return { requestTimeout: neverMs, ...(named ? { tlsServerName: true } : {}) }
}

/**
 * Sends a request and waits for its answer up to `timeoutMs`. A connection on which no answer came is destroyed: later
 * answers on it could not come before the missing one.
 */
export async function ask<T>(
  connection: Connection,
  timeoutMs: number,
  request: (connection: Connection) => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      connection.socket.destroy()
      reject(new NetworkError('No answer in time'))
    }, timeoutMs)
  })
  try {
    return await Promise.race([request(connection), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits for a promise up to `timeoutMs`; what it does is not ended by that. */
export async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NetworkError('No connection in time')), timeoutMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
