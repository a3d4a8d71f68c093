import { startPostgres } from '@oncebox/testkit'
import pg from 'pg'
import { sampleOf } from './armResult.js'
import { interleave } from './interleave.js'
import type { SuiteResult } from './results.js'
import { runArm } from './runArm.js'
import { migrated, postgresSettings } from './servers.js'

export interface InboxOptions {
  readonly messages: number
  /** Ids of earlier messages that the inbox holds. */
  readonly remembered: number
  readonly rounds: number
  readonly progress: (line: string) => void
}

/** Of slow ways only a part is run: their rate does not depend on how much there is. */
const inboxArms = {
  noInbox: 1,
  inbox: 1,
  handlerEach: 0.2,
  onePerTransaction: 0.04,
} as const

/**
 * What handling each message once costs: batches of 1,000 with a one-row effect each, beside the same effects with no inbox,
 * with a call of the handler for each message, and with a transaction for each. Messages come from memory.
 */
export async function inbox({ messages, remembered, rounds, progress }: InboxOptions): Promise<SuiteResult> {
  progress('starting Postgres')
  const postgres = await startPostgres({ settings: postgresSettings })
  const pool = new pg.Pool({ connectionString: postgres.url, max: 2 })
  pool.on('error', () => undefined)
  try {
    await migrated(pool, 'oncebox')
    await pool.query('CREATE TABLE effect (number bigint GENERATED ALWAYS AS IDENTITY, seq integer, key text)')
    progress(`remembering ${remembered.toLocaleString('en')} ids`)
    await pool.query(
      `INSERT INTO oncebox.inbox (consumer, message_id) SELECT 'earlier', oncebox.uuid_v7() FROM generate_series(1, $1::int)`,
      [remembered],
    )
    await pool.query('VACUUM ANALYZE oncebox.inbox')
    const environment = { DATABASE_URL: postgres.url, POSTGRES_PID: `${postgres.pid ?? ''}` }
    const arms = Object.entries(inboxArms).map(([name, share]) => ({
      name,
      async run() {
        await pool.query('TRUNCATE effect')
        const own = Math.max(1, Math.round(messages * share))
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
