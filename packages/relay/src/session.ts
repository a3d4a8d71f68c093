import { type EventfulPool, OnceboxError, surviveConnectionLoss, type Tx, takeClient } from '@oncebox/core'
import { type OnRow, RowTap, type WireStream } from './rowTap.js'

interface SessionQuery {
  readonly text: string
  readonly values?: unknown[]
  readonly name?: string
  readonly rowMode?: 'array'
  readonly types?: { getTypeParser(): (text: string) => string }
  readonly binary?: true
  readonly query_timeout: number
}

/** What the relay needs of a pg `PoolClient`. */
export interface PooledClient {
  /** As pg's own, with a configuration object. */
  query(query: SessionQuery): Promise<{ rows: unknown[]; rowCount: number | null }>
  /** `error` and `end`: the connection is gone. */
  on(event: 'error' | 'end', listener: () => void): unknown
  /** Gives it back; true: not to the pool, the connection is closed. */
  release(destroy: boolean): void
  /** pg's own client has it; pg-native's has not. */
  readonly connection?: { readonly stream: WireStream }
  /** The backend's pid, as the server told when it let the client in. */
  readonly processID?: number | null
}

/** What the relay needs of a pg `Pool`, which is one. */
export interface SessionPool extends EventfulPool {
  /** A connection for the caller alone, until it releases it. */
  connect(): Promise<PooledClient>
  /** `max`: how many connections it allows, where it tells. */
  readonly options?: { readonly max?: number; readonly keepAlive?: boolean | undefined }
}

/** A row as the server wrote it: text or null for each column. */
export type TextRow = readonly (string | null)[]

/** Every value stays the text that the server sent: positions, xids and snapshots are no numbers. */
const asText = { getTypeParser: () => (text: string) => text }

/** None about how values are written: rows come in binary, and what comes as text (numbers, snapshots, JSON) has one form. */
const settingsOfAll = `
  SELECT set_config('application_name', 'oncebox relay', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('default_transaction_read_only', 'off', false),
    set_config('idle_in_transaction_session_timeout', '10s', false),
    set_config('lock_timeout', '5s', false),
    set_config('tcp_user_timeout', '15s', false),
    set_config('jit', 'off', false),
    set_config('max_parallel_workers_per_gather', '0', false)`

interface SessionLimits {
  /** Milliseconds until a connection is there, and until a statement is answered. */
  readonly timeoutMs: number
  /** Milliseconds for a statement of `wireRows`. Default: as any other. */
  readonly wireTimeoutMs?: number
}

/**
 * One session out of the caller's pool, for the relay alone. Statements run one after the other, each a transaction of
 * its own unless `transaction` is used. The session is destroyed on `close`, so that its settings reach nobody else.
 */
export class Session {
  readonly #client: PooledClient
  readonly #timeoutMs: number
  readonly #wireTimeoutMs: number
  #lost = false
  #closed = false
  #last: Promise<unknown> = Promise.resolve()
  #tap: RowTap | undefined

  private constructor(client: PooledClient, { timeoutMs, wireTimeoutMs = timeoutMs }: SessionLimits) {
    this.#client = client
    this.#timeoutMs = timeoutMs
    this.#wireTimeoutMs = wireTimeoutMs
    const lose = () => {
      this.#lost = true
    }
    client.on('error', lose)
    client.on('end', lose)
  }

  /** Takes a session. `settings` are applied over those of all. */
  static async open(
    pool: SessionPool,
    options: SessionLimits & { readonly settings?: Readonly<Record<string, string>> },
  ): Promise<Session> {
    surviveConnectionLoss(pool)
    const session = new Session(await takeClient(pool, options.timeoutMs), options)
    try {
      await session.rows(settingsOfAll)
      const settings = Object.entries(options.settings ?? {})
      if (settings.length > 0) {
        const calls = settings.map((_, index) => `set_config($${2 * index + 1}, $${2 * index + 2}, false)`)
        await session.rows(`SELECT ${calls.join(', ')}`, settings.flat())
      }
      return session
    } catch (error) {
      session.close()
      throw error
    }
  }

  /** Runs one statement and resolves to its rows. A `name` makes it a prepared one. */
  rows(text: string, values: readonly unknown[] = [], name?: string): Promise<TextRow[]> {
    return this.#inTurn(() => this.#run(text, values, name))
  }

  /**
   * Runs one prepared statement and hands each of its rows to `onRow` as the bytes of its columns in binary format.
   * @throws OnceboxError `INVALID_SETTING` when the pool's clients are not pg's own.
   */
  wireRows(text: string, values: readonly unknown[], name: string, onRow: OnRow): Promise<void> {
    return this.#inTurn(async () => {
      this.#tap ??= new RowTap(this.#stream())
      await this.#tap.during(onRow, () =>
        this.#send({ text, values: [...values], name, binary: true }, this.#wireTimeoutMs),
      )
    })
  }

  /** Runs `work` between BEGIN and COMMIT; other statements wait. `timeoutMs`: for each statement of `work`. */
  transaction<T>(
    work: (rows: (text: string, values?: readonly unknown[]) => Promise<TextRow[]>) => Promise<T>,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    return this.#inTurn(async () => {
      await this.#run('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE', [])
      try {
        const result = await work((text, values = []) => this.#run(text, values, undefined, timeoutMs))
        await this.#run('COMMIT', [])
        return result
      } catch (error) {
        // When ROLLBACK fails too the connection is gone, and the transaction with it: the first error tells more.
        await this.#run('ROLLBACK', []).catch(() => undefined)
        throw error
      }
    })
  }

  /** The session for parts that are not the relay's own: rows as objects, values as the driver reads them. */
  readonly tx: Tx = {
    query: async <Row extends object>(text: string, values: readonly unknown[] = []) => {
      const result = await this.#inTurn(() => this.#send({ text, values: [...values] }))
      return { rows: result.rows as Row[] }
    },
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#client.release(true)
  }

  #stream(): WireStream {
    const stream = this.#client.connection?.stream
    if (stream !== undefined) return stream
    throw new OnceboxError('INVALID_SETTING', "The relay's pool hands out clients without a connection of pg's own", {
      next: 'Give the relay a Pool of pg, not of pg-native.',
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work)
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #run(text: string, values: readonly unknown[], name?: string, timeoutMs?: number): Promise<TextRow[]> {
    const named = name === undefined ? {} : { name }
    const { rows } = await this.#send(
      { text, values: [...values], ...named, rowMode: 'array', types: asText },
      timeoutMs,
    )
    return rows as TextRow[]
  }

  async #send(
    query: Omit<SessionQuery, 'query_timeout'>,
    query_timeout = this.#timeoutMs,
  ): Promise<{ rows: unknown[] }> {
    if (this.#lost || this.#closed) {
      throw new OnceboxError('DATABASE_UNREACHABLE', 'The relay lost a session to Postgres', {
        next: 'The relay connects again by itself.',
      })
    }
    return this.#client.query({ ...query, query_timeout })
  }
}
