import { startPostgres } from '@oncebox/testkit'
import pg from 'pg'
import { sampleOf } from './armResult.js'
import { type InboxArm, inboxArms } from './inboxArms.js'
import { interleave } from './interleave.js'
import type { SuiteResult } from './results.js'
import { runArm } from './runArm.js'
import { migrated, postgresSettings } from './servers.js'

export interface InboxOptions {
  readonly messages: number
  /** Ids of earlier messages that the inbox holds. */
  readonly remembered: number
  readonly rounds: number
  /** Default: all. */
  readonly arms?: readonly InboxArm[]
  readonly progress: (line: string) => void
}

/**
 * What handling each message once costs: batches of 1,000 with a one-row effect each, written by a batch handler in one
 * statement or by a call of the handler each, beside the same effects with no inbox; and a transaction a message.
 * Messages come from memory.
 */
export async function inbox(options: InboxOptions): Promise<SuiteResult> {
  const { messages, remembered, rounds, arms: wanted = Object.keys(inboxArms) as InboxArm[], progress } = options
  progress('starting Postgres')
  const postgres = await startPostgres({ settings: postgresSettings })
  const pool = new pg.Pool({ connectionString: postgres.url, max: 2 })
  pool.on('error', () => undefined)
  try {
    await migrated(pool, 'oncebox')
    await pool.query(
      'CREATE TABLE effect (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, seq integer, key text)',
    )
    progress(`remembering ${remembered.toLocaleString('en')} ids`)
    await pool.query(
      `INSERT INTO oncebox.inbox (consumer, message_id) SELECT 'earlier', oncebox.uuid_v7() FROM generate_series(1, $1::int)`,
      [remembered],
    )
    await pool.query('VACUUM ANALYZE oncebox.inbox')
    const environment = { DATABASE_URL: postgres.url, POSTGRES_PID: `${postgres.pid ?? ''}` }
    const arms = wanted.map((name) => ({
      name,
      async run() {
        await pool.query('TRUNCATE effect')
        const own = Math.max(1, Math.round(messages * inboxArms[name].share))
        const result = await runArm('inbox', { ...environment, WAY: name, MESSAGES: `${own}` })
        const { rows } = await pool.query<{ effects: number }>('SELECT count(*)::int AS effects FROM effect')
        if (rows[0]?.effects !== own) throw new Error(`${own} messages had ${rows[0]?.effects} effects`)
        return sampleOf(result)
      },
    }))
    return await interleave(arms, {
      suite: 'inbox',
      rounds,
      progress,
      settings: { messages, remembered, batch: 1_000 },
    })
  } finally {
    await pool.end()
    await postgres.remove()
  }
}
