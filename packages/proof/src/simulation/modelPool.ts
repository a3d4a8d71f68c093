import type { SessionPool } from '@oncebox/relay'
import type { Dice } from './dice.js'
import type { ModelDatabase, ModelTransaction } from './modelDatabase.js'
import type { SimulatedProcess } from './process.js'
import type { Answer, Run } from './statement.js'
import type { Timeline } from './timeline.js'

type Client = Awaited<ReturnType<SessionPool['connect']>>
type Query = Parameters<Client['query']>[0]

export interface ModelPoolParts {
  readonly database: ModelDatabase
  readonly timeline: Timeline
  readonly process: SimulatedProcess
  readonly dice: Dice
  /** Whether the server takes connections. */
  readonly reachable: () => boolean
  /** Every session, so that faults can cut them; one that is cut is taken out. */
  readonly sessions: Set<ModelSession>
  readonly tell: (what: string) => void
  /** Told of every error of the model itself. */
  readonly unknown: (error: unknown) => void
  /** Knows the statements that come. */
  readonly run: Run
  /** Changes statements and answers: a deliberate defect. */
  readonly change?: { statement?(text: string): string; answer?(text: string, answer: Answer): Answer }
}

/** What a pg `Pool` is to relay and consumers, connected to the model. */
export function modelPool(parts: ModelPoolParts): SessionPool & { connect(): Promise<ModelSession> } {
  return {
    options: { max: 10 },
    on: () => undefined,
    connect: () =>
      new Promise((resolve, reject) => {
        parts.process.after(parts.dice.below(3), () => {
          if (!parts.reachable()) return reject(connectionLost())
          const session = new ModelSession(parts)
          parts.sessions.add(session)
          parts.process.onEnd(() => session.cut())
          resolve(session)
        })
      }),
  }
}

/** One connection: statements arrive in order, run at the server, and are answered, each after a while. */
export class ModelSession {
  readonly processID = 1
  readonly connection: NonNullable<Client['connection']>
  readonly #parts: ModelPoolParts
  readonly #listeners = new Map<string, (() => void)[]>()
  #data: ((chunk: Buffer) => void)[] = [() => undefined]
  /** The transaction between BEGIN and its end. */
  #open: ModelTransaction | null = null
  /** The one of the statement that runs. */
  #current: ModelTransaction | null = null
  #waiting: ((error: Error) => void) | null = null
  #asynchronous = false
  #cut = false

  constructor(parts: ModelPoolParts) {
    this.#parts = parts
    this.connection = {
      stream: {
        listeners: () => this.#data,
        on: (_event: 'data', listener: (chunk: Buffer) => void) => this.#data.push(listener),
        removeListener: (_event: 'data', listener: (chunk: Buffer) => void) => {
          this.#data = this.#data.filter((each) => each !== listener)
        },
      },
    }
  }

  /** Transactions that a crash of the server ends. */
  get open(): readonly ModelTransaction[] {
    return [this.#open, this.#current].filter((transaction) => transaction !== null)
  }

  on(event: 'error' | 'end', listener: () => void): void {
    const listeners = this.#listeners.get(event) ?? []
    listeners.push(listener)
    this.#listeners.set(event, listeners)
  }

  off(event: 'error' | 'end', listener: () => void): void {
    this.#listeners.set(
      event,
      (this.#listeners.get(event) ?? []).filter((each) => each !== listener),
    )
  }

  /** Nothing is pooled: who wants a session opens one. */
  release(): void {
    this.cut()
  }

  /** The connection is gone: the server rolls back what is open, and the client hears of it. */
  cut(): void {
    if (this.#cut) return
    this.#cut = true
    const { database, sessions, process } = this.#parts
    sessions.delete(this)
    for (const transaction of this.open) database.rollback(transaction)
    if (!process.alive) return
    for (const listener of this.#listeners.get('end') ?? []) listener()
    this.#waiting?.(connectionLost())
  }

  query(asked: Query | string, given: unknown[] = []): Promise<{ rows: unknown[]; rowCount: number; command: string }> {
    const query = typeof asked === 'string' ? { text: asked, values: given, query_timeout: 0 } : asked
    const { process, dice, timeline } = this.#parts
    return new Promise((resolve, reject) => {
      if (this.#cut) return reject(connectionLost())
      this.#waiting = reject
      // The server gets it even when the process dies meanwhile.
      timeline.after(1 + dice.below(3), () => {
        if (this.#cut) return
        this.#run(query).then(
          (answer) => {
            process.after(dice.below(3), () => {
              if (this.#cut) return
              this.#waiting = null
              for (const chunk of answer.wire ?? []) for (const listener of this.#data) listener(chunk)
              resolve({ rows: shaped(query, answer), rowCount: answer.rows.length, command: query.text })
            })
          },
          (error: Error) => process.after(0, () => reject(error)),
        )
      })
    })
  }

  async #run({ text: original, values = [] }: Query): Promise<Answer> {
    const { database, timeline, change } = this.#parts
    const text = change?.statement?.(original) ?? original
    if (text.startsWith('BEGIN')) {
      this.#open = this.#begin()
      return { rows: [] }
    }
    if (text === 'COMMIT' || text === 'ROLLBACK') {
      if (this.#open !== null) database[text === 'COMMIT' ? 'commit' : 'rollback'](this.#open)
      this.#open = null
      return { rows: [] }
    }
    if (text.includes('pg_backend_pid()')) return { rows: [['1']] }
    if (values.includes('synchronous_commit')) {
      this.#asynchronous = values[values.indexOf('synchronous_commit') + 1] === 'off'
    }
    const transaction = this.#open ?? this.#begin()
    this.#current = transaction
    try {
      const answer = await this.#parts.run({ database, transaction, text, values, now: timeline.now })
      if (transaction !== this.#open) database.commit(transaction)
      if (answer.told !== undefined) this.#parts.tell(answer.told)
      return change?.answer?.(text, answer) ?? answer
    } catch (error) {
      if (transaction !== this.#open) database.rollback(transaction)
      this.#parts.unknown(error)
      throw error
    } finally {
      this.#current = null
    }
  }

  #begin(): ModelTransaction {
    const transaction = this.#parts.database.begin()
    transaction.durable = !this.#asynchronous
    return transaction
  }
}

/** Rows as the query wants them: arrays, or objects for those who ask by name. */
function shaped(query: Query, { rows }: Answer): unknown[] {
  if (query.rowMode === 'array' || !Array.isArray(rows[0])) return [...rows]
  if (query.text.includes('AS pid')) return [{ pid: 1 }]
  if (query.text.includes('AS version')) return rows.map((row) => ({ version: Number((row as unknown[])[0]) }))
  return rows.map(() => ({}))
}

function connectionLost(): Error {
  return Object.assign(new Error('the connection is gone'), { code: 'ECONNRESET' })
}
