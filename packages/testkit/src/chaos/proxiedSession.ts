import type { Socket } from 'node:net'
import { BackendTurns } from './backendTurns.js'
import {
  asksForEncryption,
  boundStatement,
  type FrontendMessage,
  FrontendMessages,
  simpleQuery,
  statementText,
} from './frontendMessages.js'
import type { StatementFate } from './statementProxy.js'

/** What a deadlock's victim, or a serialization failure, looks like to whoever sent the statement. */
const failure = "DO $$ BEGIN RAISE EXCEPTION 'failed on purpose' USING ERRCODE = '40001'; END $$"

/** What the server answers with one "ready": a simple query, or messages up to Sync. */
interface Turn {
  readonly bytes: Buffer
  /** Of the statement that it executes; null when it executes none. */
  readonly text: string | null
}

/** One client and its connection to the server. Turns go to the server one at a time. */
export class ProxiedSession {
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #decide: (text: string) => StatementFate
  readonly #frontend = new FrontendMessages()
  readonly #backend = new BackendTurns()
  readonly #names = new Map<string, string>()
  readonly #waiting: Turn[] = []
  #collected: FrontendMessage[] = []
  #collectedText: string | null = null
  /** True until the server is ready again. */
  #busy = true
  #killAfter = false

  constructor(client: Socket, upstream: Socket, decide: (text: string) => StatementFate) {
    this.#client = client
    this.#upstream = upstream
    this.#decide = decide
    client.on('data', (chunk: Buffer) => {
      for (const message of this.#frontend.push(chunk)) this.#fromClient(message)
    })
    upstream.on('data', (chunk: Buffer) => this.#fromServer(chunk))
    for (const socket of [client, upstream]) {
      socket.on('error', () => this.kill())
      socket.on('close', () => this.kill())
    }
  }

  /** Neither end hears anything more: the server rolls back what is open. */
  kill(): void {
    this.#client.destroy()
    this.#upstream.destroy()
  }

  #fromClient(message: FrontendMessage): void {
    const { type, bytes } = message
    if (asksForEncryption(message)) {
      this.#client.write('N')
      return
    }
    if (type === 'P') {
      const { name, text } = statementText(message)
      this.#names.set(name, text)
    }
    if (type === 'B') this.#collectedText = this.#names.get(boundStatement(message)) ?? ''
    if (type === 'Q') {
      this.#queue({ bytes, text: statementText(message).text })
    } else if ('PBDEC'.includes(type) && type !== '') {
      this.#collected.push(message)
    } else if (type === 'S') {
      const executes = this.#collected.some((collected) => collected.type === 'E')
      const turn = Buffer.concat([...this.#collected.map((collected) => collected.bytes), bytes])
      this.#queue({ bytes: turn, text: executes ? this.#collectedText : null })
      this.#collected = []
    } else {
      // Flush, COPY data, passwords, the startup message, the end: nothing that the server answers with "ready".
      for (const collected of this.#collected) this.#upstream.write(collected.bytes)
      if (this.#collected.some((collected) => collected.type === 'E')) this.#decide(this.#collectedText ?? '')
      this.#collected = []
      this.#upstream.write(bytes)
    }
  }

  #queue(turn: Turn): void {
    this.#waiting.push(turn)
    if (!this.#busy) this.#next()
  }

  #next(): void {
    const turn = this.#waiting.shift()
    this.#busy = turn !== undefined
    if (turn === undefined) return
    const { before = 'go', after = 'go' } = turn.text === null ? {} : this.#decide(turn.text)
    const send = (bytes: Buffer): void => {
      this.#killAfter = after === 'kill'
      this.#upstream.write(bytes)
    }
    if (before === 'kill') this.kill()
    else if (before === 'fail') send(simpleQuery(failure))
    else if (before === 'go') send(turn.bytes)
    else void before.then(() => send(turn.bytes))
  }

  #fromServer(chunk: Buffer): void {
    const ready = this.#backend.push(chunk)
    if (ready > 0 && this.#killAfter) {
      this.kill()
      return
    }
    if (!this.#killAfter) this.#client.write(chunk)
    if (ready > 0) this.#next()
  }
}
