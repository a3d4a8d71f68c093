import type { SessionPool } from '@oncebox/relay'
import type { Dice } from './dice.js'
import type { ModelDatabase, ModelTransaction } from './modelDatabase.js'
import type { SimulatedProcess } from './process.js'
import type { Answer, Run } from './statement.js'
import { type StatementFault, sqlError } from './statementFaults.js'
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
  /** Told of every error that nobody planned: of the model itself, and of statements that get into each other's way. */
  readonly unknown: (error: unknown) => void
  /** Knows the statements that come. */
  readonly run: Run
  /** What is to go wrong with this statement. `effects`: a handler has done something in its transaction. */
  readonly fault?: (text: string, effects: boolean) => StatementFault | undefined
  /** Changes statements and answers: a deliberate defect. */
  readonly change?: SessionChange
}

/** What a defect makes of what is said to the server, and of what it answers. */
export interface SessionChange {
  statement?(text: string): string
  answer?(text: string, answer: Answer): Answer
  /** What is taken for the answer where there was an error; undefined: the error. */
  failure?(text: string, error: Error): Answer | undefined
}

/** What a pg `Pool` is to relay and consumers, connected to the model. */
export function modelPool(parts: ModelPoolParts): Omit<SessionPool, 'connect'> & { connect(): Promise<ModelSession> } {
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
  readonly #listeners = new Map<string, ((error: Error) => void)[]>()
  #data: ((chunk: Buffer) => void)[] = [() => undefined]
  /** The transaction between BEGIN and its end. */
  #open: ModelTransaction | null = null
  /** A statement of it failed: it is rolled back already, and nothing more is done until its end. */
  #aborted = false
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

  on(event: 'error' | 'end', listener: (error: Error) => void): void {
    const listeners = this.#listeners.get(event) ?? []
    listeners.push(listener)
    this.#listeners.set(event, listeners)
  }

  off(event: 'error' | 'end', listener: (error: Error) => void): void {
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
    const listeners = ['error', 'end'].flatMap((event) => this.#listeners.get(event) ?? [])
    if (this.#waiting === null && listeners.length === 0) return
    const error = connectionLost()
    this.#waiting?.(error)
    for (const listener of listeners) listener(error)
  }

  query(asked: Query | string, given: unknown[] = []): Promise<Result> {
    const query = typeof asked === 'string' ? { text: asked, values: given, query_timeout: 0 } : asked
    const { process, dice, timeline, change } = this.#parts
    return new Promise((resolve, rejected) => {
      const answered = (answer: Answer): void => {
        this.#waiting = null
        for (const chunk of answer.wire ?? []) for (const listener of this.#data) listener(chunk)
        const { rows, command = query.text } = answer
        resolve({ rows: shaped(query, answer), rowCount: rows.length, command })
      }
      const reject = (error: Error): void => {
        const instead = change?.failure?.(query.text, error)
        if (instead === undefined) rejected(error)
        else answered(instead)
      }
      if (this.#cut) return reject(connectionLost())
      this.#waiting = reject
      // The server gets it even when the process dies meanwhile.
      timeline.after(1 + dice.below(3), () => {
        if (this.#cut) return
        const fault = this.#parts.fault?.(query.text, (this.#open?.atCommit.length ?? 0) > 0)
        if (fault === 'lostBefore') return this.cut()
        this.#run(query, fault).then(
          (answer) => {
            if (fault === 'lostAfter') return this.cut()
            process.after(dice.below(3), () => {
              if (!this.#cut) answered(change?.answer?.(query.text, answer) ?? answer)
            })
          },
          (error: Error) =>
            process.after(0, () => {
              if (!this.#cut) reject(error)
            }),
        )
      })
    })
  }

  async #run({ text: original, values = [] }: Query, fault?: StatementFault): Promise<Answer> {
    const { database, timeline, change } = this.#parts
    const text = change?.statement?.(original) ?? original
    const error = fault === undefined ? null : sqlError(fault)
    if (text.startsWith('BEGIN')) {
      if (error !== null) throw error
      if (this.#aborted) throw sqlError('aborted')
      this.#open ??= this.#begin()
      return { rows: [] }
    }
    if (text === 'COMMIT' || text === 'ROLLBACK') return this.#end(text, error)
    if (this.#aborted) throw sqlError('aborted')
    if (text.includes('pg_backend_pid()')) return { rows: [['1']] }
    if (values.includes('synchronous_commit')) {
      this.#asynchronous = values[values.indexOf('synchronous_commit') + 1] === 'off'
    }
    const after = (ms: number, run: () => void) => timeline.after(ms, run)
    const clock = () => timeline.now
    const transaction = this.#open ?? this.#begin()
    this.#current = transaction
    try {
      const answer = await this.#parts.run({ database, transaction, text, values, now: timeline.now, clock, after })
      // What the statement did is undone with its transaction.
      if (error !== null) throw error
      if (transaction !== this.#open) database.commit(transaction)
      if (answer.told !== undefined) this.#parts.tell(answer.told)
      return answer
    } catch (caught) {
      database.rollback(transaction)
      if (transaction === this.#open) this.#aborted = true
      if (caught !== error) this.#parts.unknown(caught)
      throw caught
    } finally {
      this.#current = null
    }
  }

  /** COMMIT of a transaction that failed is a ROLLBACK, and answered so. */
  #end(text: 'COMMIT' | 'ROLLBACK', error: Error | null): Answer {
    const { database } = this.#parts
    const transaction = this.#open
    const commits = text === 'COMMIT' && !this.#aborted && error === null
    this.#open = null
    this.#aborted = false
    if (transaction !== null) database[commits ? 'commit' : 'rollback'](transaction)
    if (text === 'COMMIT' && error !== null) throw error
    return { rows: [], command: commits ? 'COMMIT' : 'ROLLBACK' }
  }

  #begin(): ModelTransaction {
    const transaction = this.#parts.database.begin()
    transaction.durable = !this.#asynchronous
    return transaction
  }
}

interface Result {
  readonly rows: unknown[]
  readonly rowCount: number
  readonly command: string
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
