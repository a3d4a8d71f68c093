import { type EventfulPool, surviveConnectionLoss, type Tx } from '@oncebox/core'

/** What the dashboard needs of a pg `PoolClient`. */
export interface SessionClient {
  /** Runs one statement. */
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
  /** Gives it back; true: not to the pool, the connection is closed. */
  release(destroy?: boolean): void
}

/** What the dashboard needs of a pg `Pool`, which is one. */
export interface SessionPool extends EventfulPool {
  /** A connection for the caller alone, until it releases it. */
  connect(): Promise<SessionClient>
}

export interface Sessions {
  /** A transaction that only reads, ended after five seconds: nobody waits for long behind a page that somebody looks at. */
  reading<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** A transaction that is committed when `work` resolves. */
  writing<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** A session without a transaction. */
  bare<T>(work: (tx: Tx) => Promise<T>): Promise<T>
}

export function openSessions(pool: SessionPool): Sessions {
  surviveConnectionLoss(pool)
  const transaction = async <T>(begin: string, work: (tx: Tx) => Promise<T>): Promise<T> => {
    const client = await pool.connect()
    let sound = false
    try {
      await client.query(begin)
      const result = await work(txOf(client))
      await client.query('COMMIT')
      sound = true
      return result
    } finally {
      if (!sound)
        sound = await client.query('ROLLBACK').then(
          () => true,
          () => false,
        )
      client.release(!sound)
    }
  }
  const limits = (seconds: number) => `SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '${seconds}s'`
  return {
    reading: (work) => transaction(`BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; ${limits(5)}`, work),
    writing: (work) => transaction(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${limits(30)}`, work),
    async bare(work) {
      const client = await pool.connect()
      let sound = false
      try {
        const result = await work(txOf(client))
        sound = true
        return result
      } finally {
        client.release(!sound)
      }
    },
  }
}

function txOf(client: SessionClient): Tx {
  return {
    async query<Row extends object>(text: string, values?: readonly unknown[]) {
      const { rows } = await client.query(text, values as unknown[] | undefined)
      return { rows: rows as Row[] }
    },
  }
}
