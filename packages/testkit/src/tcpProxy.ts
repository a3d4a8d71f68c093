import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

export interface TcpProxyOptions {
  /** Where connections go. */
  readonly target: { readonly host: string; readonly port: number }
  /** Default: a free one. */
  readonly port?: number
}

/** A TCP proxy on 127.0.0.1 whose faults a test switches on and off. */
export interface TcpProxy {
  readonly port: number
  /** Connections that are open now. */
  readonly connections: number
  /** What every chunk waits before it goes on, in either direction, in milliseconds. Default 0. */
  delayMs: number
  /** Destroys every open connection; both ends see it closed. New connections are accepted. */
  cut(): void
  /** Truncates: of the next chunk only the first `bytes` pass, then its connection is cut. */
  cutAfter(bytes: number): void
  /** While on, new connections are closed as soon as they come. */
  refuse(on: boolean): void
  /** Half-open from here: connections stay and are accepted, and nothing passes in either direction. */
  pause(): void
  /** What was held back passes, in order. */
  resume(): void
  /**
   * Nothing passes on the connections that are open now, even when a client ends meanwhile; later ones are not concerned.
   * A network does that to packets which find another way.
   */
  holdBack(): void
  /** On how many connections a client has sent something that is held back. */
  readonly heldBack: number
  /** What was held back arrives after all: of a client that has ended, everything that it had sent, then its end. */
  deliverLate(): void
  /** Cuts everything and listens no more. */
  close(): Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly upstream: Socket
  heldBack: boolean
  /** Its client has sent something meanwhile. */
  waiting: boolean
  /** It was held back: its client may have ended long ago. */
  late: boolean
}

/** Starts a proxy to `target`, which need not listen yet. Resolves when it accepts connections. */
export async function startProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const pairs = new Set<Pair>()
  let refusing = false
  let paused = false
  let delayMs = 0
  let truncateTo: number | undefined
  const wake: (() => void)[] = []

  async function* hold(source: AsyncIterable<Buffer>, pair: Pair): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
      pair.waiting ||= pair.heldBack && source === pair.client
      while (paused || pair.heldBack) await new Promise<void>((resolve) => wake.push(resolve))
      if (truncateTo !== undefined) {
        yield chunk.subarray(0, truncateTo)
        truncateTo = undefined
        throw new Error('cut in the middle of a chunk')
      }
      yield chunk
    }
  }

  async function pass(from: Socket, to: Socket, pair: Pair): Promise<void> {
    for await (const chunk of hold(from, pair)) {
      if (!to.write(chunk)) await new Promise((resolve) => to.once('drain', resolve).once('close', resolve))
      if (to.destroyed) return
    }
    to.end()
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (refusing) {
      client.on('error', () => undefined)
      client.resetAndDestroy()
      return
    }
    const upstream = connect({ ...options.target, allowHalfOpen: true, noDelay: true })
    const pair: Pair = { client, upstream, heldBack: false, waiting: false, late: false }
    pairs.add(pair)
    const part = (): void => {
      if (pair.heldBack) return
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) socket.on('error', part).on('close', part)
    // One direction that ends by an error ends the pair; the error itself was seen by the socket's listener.
    pass(client, upstream, pair).catch(() => (pair.late ? upstream.end() : part()))
    pass(upstream, client, pair).catch(part)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })

  const goOn = (): void => {
    for (const go of wake.splice(0)) go()
  }
  const resume = (): void => {
    paused = false
    goOn()
  }
  const cut = (): void => {
    for (const pair of pairs) {
      pair.heldBack = false
      pair.client.resetAndDestroy()
      pair.upstream.resetAndDestroy()
    }
    pairs.clear()
    goOn()
  }
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return pairs.size
    },
    get delayMs() {
      return delayMs
    },
    set delayMs(value) {
      delayMs = value
    },
    cut,
    cutAfter(bytes) {
      truncateTo = bytes
    },
    refuse(on) {
      refusing = on
    },
    pause() {
      paused = true
    },
    resume,
    get heldBack() {
      return [...pairs].filter(({ waiting }) => waiting).length
    },
    holdBack() {
      for (const pair of pairs) pair.heldBack = true
    },
    deliverLate() {
      for (const pair of pairs) {
        pair.late ||= pair.heldBack
        pair.heldBack = false
        pair.waiting = false
      }
      goOn()
    },
    async close() {
      cut()
      resume()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
