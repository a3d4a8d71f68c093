import pg from 'pg'
import { until } from './until.js'

export interface StandstillOptions {
  /** Connection string of the database. */
  readonly url: string
  /** The table that cannot be written meanwhile; reading goes on. */
  readonly table: string
  /** Whose sessions are counted: their `application_name`. */
  readonly application: string
  /** So many of them have to wait for a lock, of whatever kind, before `strike` runs. */
  readonly sessions: number
  /** Begins what will come to a standstill: sends the messages. */
  readonly begin: () => Promise<unknown>
  /** Runs while everything stands: kills somebody. */
  readonly strike: () => Promise<unknown>
  /** How long `sessions` may take to come, in milliseconds. Default 60,000. */
  readonly deadlineMs?: number
}

/**
 * Stops writers in the middle of their transactions: locks a table, lets work begin, waits until so many sessions stand
 * at the lock or behind one who does, strikes, and lets go. A kill then hits transactions that have done half of
 * their work, every time, and all of them have begun before the first one ends.
 */
export async function standstill(options: StandstillOptions): Promise<void> {
  const { url, table, application, sessions, begin, strike, deadlineMs = 60_000 } = options
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('begin')
    await client.query(`lock table ${pg.escapeIdentifier(table)} in exclusive mode`)
    await begin()
    const waiting = async (): Promise<number> => {
      // Inside of a transaction, the view shows the sessions of its first look.
      await client.query('select pg_stat_clear_snapshot()')
      const { rows } = await client.query<{ waiting: number }>(
        `select count(*)::int as waiting from pg_stat_activity
         where datname = current_database() and application_name = $1 and wait_event_type = 'Lock'`,
        [application],
      )
      return rows[0]?.waiting ?? 0
    }
    await until(async () => (await waiting()) >= sessions, {
      deadlineMs,
      what: `${sessions} sessions of ${application} to stand at ${table}`,
    })
    await strike()
    await client.query('commit')
  } finally {
    await client.end()
  }
}
