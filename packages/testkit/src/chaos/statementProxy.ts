import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import { ProxiedSession } from './proxiedSession.js'

/** A statement on its way to the server. */
export interface SeenStatement {
  /** 0-based, of all that this proxy has seen since `forget`. */
  readonly index: number
  /** Numbers the sessions. */
  readonly session: number
  /** Whitespace is made single. */
  readonly text: string
}

/** What is to happen around a statement. */
export interface StatementFate {
  /**
   * Before the server gets it: it goes on, the session is killed, or the server fails it with SQLSTATE 40001. A promise
   * holds it back.
   */
  readonly before?: 'go' | 'kill' | 'fail' | Promise<unknown>
  /** Once the server has done it, and before anybody is told. */
  readonly after?: 'go' | 'kill'
}

/** A proxy before Postgres that sees every statement, by whatever driver, and can kill a session around any of them. */
export interface StatementProxy {
  /** The connection string it was given, by way of the proxy. */
  readonly url: string
  /** What was seen since `forget`. */
  readonly statements: readonly SeenStatement[]
  forget(): void
  /** Asked about every statement. Default: all go on. */
  decide: (statement: SeenStatement) => StatementFate
  /** Takes no further session. Those that are open belong to pools, which end them; they keep no process alive. */
  close(): void
}

/** Starts a proxy on 127.0.0.1 to the server of `target`, a connection string. */
export async function startStatementProxy(target: string): Promise<StatementProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let statements: SeenStatement[] = []
  let sessions = 0
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: hostname, port: Number(port || 5432), noDelay: true })
    const session = sessions++
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    }
    new ProxiedSession(client, upstream, (text) => {
      const statement = { index: statements.length, session, text: text.replaceAll(/\s+/g, ' ').trim() }
      statements.push(statement)
      return proxy.decide(statement)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  const proxy: StatementProxy = {
    url: url.href,
    get statements() {
      return statements
    },
    forget() {
      statements = []
    },
    decide: () => ({}),
    close() {
      server.close()
      for (const socket of sockets) socket.unref()
    },
  }
  return proxy
}
