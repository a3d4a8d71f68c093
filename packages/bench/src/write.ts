import { startPostgres } from '@oncebox/testkit'
import pg from 'pg'
import { sampleOf } from './armResult.js'
import { type Arm, interleave } from './interleave.js'
import { type PgbenchArm, pgbenchArms } from './pgbenchScripts.js'
import type { Sample, SuiteResult } from './results.js'
import { runArm } from './runArm.js'
import { migrated, postgresSettings } from './servers.js'
import { type WriteArm, writeArms, writers } from './writeArms.js'
import { runPgbenchArm } from './writePgbench.js'

export interface WriteOptions {
  /** How long each run writes. */
  readonly seconds: number
  readonly rounds: number
  /** Names of arms; all without it. */
  readonly arms?: readonly string[]
  readonly progress: (line: string) => void
}

/**
 * What a message costs the transaction it is written in: transactions a second of 8 writers, and bytes of WAL. A
 * transaction of the writers in Node.js is one insert of a business row, the smallest there is, so that the ratio is the
 * worst there is. That of pgbench is a row as large as its message; there, the writers themselves cost next to nothing.
 */
export async function write(options: WriteOptions): Promise<SuiteResult> {
  const { seconds, rounds, progress } = options
  progress('starting Postgres')
  // As most run it: no logical decoding, which would add to every arm's WAL.
  const postgres = await startPostgres({ settings: { ...postgresSettings, wal_level: 'replica' } })
  const pool = new pg.Pool({ connectionString: postgres.url, max: 2 })
  pool.on('error', () => undefined)
  try {
    await migrated(pool, 'oncebox')
    await pool.query(
      `CREATE TABLE orders
        (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text, cents integer, details text)`,
    )
    const environment = { DATABASE_URL: postgres.url, POSTGRES_PID: `${postgres.pid ?? ''}`, SECONDS: `${seconds}` }
    // Every arm begins with empty tables and with no page that would be written whole into the WAL again.
    const empty = () => pool.query('TRUNCATE orders, oncebox.outbox')
    const node = (name: WriteArm): Arm => ({
      name,
      async run(): Promise<Sample> {
        await empty()
        const sample = sampleOf(await runArm('writeTransactions', { ...environment, WAY: name }))
        if (writeArms[name].message === 'one') await expectOneEach(pool)
        return sample
      },
    })
    const pgbench = (name: PgbenchArm): Arm => ({
      name,
      async run(): Promise<Sample> {
        await empty()
        const sample = await runPgbenchArm(name, { postgres, pool, seconds })
        if (pgbenchArms[name].second === 'message') await expectOneEach(pool)
        return sample
      },
    })
    const arms = [...namesOf(writeArms).map(node), ...namesOf(pgbenchArms).map(pgbench)]
    return await interleave(
      arms.filter(({ name }) => options.arms?.includes(name) ?? true),
      { suite: 'write', rounds, progress, settings: { writers, seconds, payloadBytes: 200 } },
    )
  } finally {
    await pool.end()
    await postgres.remove()
  }
}

/** Pipelined or not, every business row has its message. */
async function expectOneEach(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ orders: number; messages: number }>(
    'SELECT (SELECT count(*)::int FROM orders) AS orders, (SELECT count(*)::int FROM oncebox.outbox) AS messages',
  )
  const [counted] = rows
  if (counted?.orders === counted?.messages) return
  throw new Error(`${counted?.orders} business rows have ${counted?.messages} messages`)
}

function namesOf<Name extends string>(arms: Readonly<Record<Name, unknown>>): Name[] {
  return Object.keys(arms) as Name[]
}
