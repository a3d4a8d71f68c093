// A rough day at the account service: `node main.ts`; with DATABASE_URL it uses that (empty) database, without it starts
// a Postgres of its own. Every message is delivered three times, and processes are killed in the middle of their work.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { pgDatabase } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import { pgBoss, queueName } from '@oncebox/pg-boss'
import { createRelay } from '@oncebox/relay'
import { migrate } from '@oncebox/schema'
import { standstill, startCrew, startPostgres, until } from '@oncebox/testkit'
import type { Publisher } from '@oncebox/transport'
import pg from 'pg'
import { type Deduction, group, messages, type Withdrawal } from './messages.ts'

const topic = 'accounts'
const copies = 3

type Request =
  | { readonly type: 'withdrawal.requested'; readonly data: Withdrawal }
  | { readonly type: 'deduction.confirmed'; readonly data: Deduction }

const withdrawals = (times: number, account: string, cents: number): Request[] =>
  Array.from({ length: times }, () => ({ type: 'withdrawal.requested', data: { account, cents } }))

const confirmed = (times: number, account: string, version: number, cents: number): Request[] =>
  Array.from({ length: times }, () => ({ type: 'deduction.confirmed', data: { account, version, cents } }))

/** Each wave loses a process: fifty withdrawals at once, more than there is money for; ten who have seen the same. */
const waves: Request[][] = [
  withdrawals(50, 'fifty-at-once', 30),
  [...confirmed(10, 'seen-by-ten', 1, 100), ...withdrawals(20, 'to-the-last-cent', 25)],
]

/** Hands over everything several times, as after acknowledgements that got lost. */
function repeating(publisher: Publisher): Publisher {
  return {
    ...publisher,
    async publish(records) {
      for (let copy = 1; copy < copies; copy++) await publisher.publish(records)
      return publisher.publish(records)
    },
  }
}

async function main(connectionString: string): Promise<void> {
  const pool = new pg.Pool({ connectionString, max: 6 })
  const db = pgDatabase(pool)
  const client = await pool.connect()
  await migrate(client)
  await client.query(await readFile(new URL('accounts.sql', import.meta.url), 'utf8'))
  client.release()

  const transport = pgBoss({ connectionString, topics: { [topic]: [group] }, heartbeatSeconds: 2 })
  const outbox = createOutbox({ source: 'bank', messages })
  const relay = createRelay({ pool, publisher: repeating(transport) })
  // Of one transaction, so that they are published together and none waits for the copies of another.
  const send = (requests: readonly Request[]) => db.transaction(({ tx }) => outbox.emitMany(tx, requests))

  const script = fileURLToPath(new URL('consumer.ts', import.meta.url))
  await relay.start()
  await using crew = await startCrew({ script, args: [connectionString], size: 3, ready: 'deducting' })
  for (const requests of waves) {
    const begin = () => send(requests)
    // All 51 workers have begun a transaction and none can end it; then one of the three processes is gone.
    const strike = () => crew.killOne()
    await standstill({ url: connectionString, table: 'account', application: group, sessions: 51, begin, strike })
  }
  const deliveries = copies * waves.flat().length
  await until(() => settled(pool, deliveries), { deadlineMs: 120_000, what: 'all requests to be handled' })
  await crew.stop()
  await relay.stop()
  await transport.close()
  console.log(`${waves.flat().length} requests, ${deliveries} deliveries, ${crew.kills} processes killed at work`)
  await tell(pool)
  await pool.end()
}

/** Whether so many deliveries have been handled and none is left. */
async function settled(pool: pg.Pool, deliveries: number): Promise<boolean> {
  const { rows } = await pool.query<{ jobs: number; left: number }>(
    `SELECT count(*)::int AS jobs, (count(*) FILTER (WHERE state < 'completed'))::int AS left
     FROM pgboss.job WHERE name = $1`,
    [queueName(topic, group)],
  )
  return rows[0]?.jobs === deliveries && rows[0].left === 0
}

/** What is left on each account, at which version, and what became of the requests. */
async function tell(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query(
    `SELECT id, money, version, (
       SELECT string_agg(times || ' ' || outcome, ', ' ORDER BY outcome)
       FROM (SELECT outcome, count(*) AS times FROM answer WHERE account = account.id GROUP BY outcome) AS counted
     ) AS outcomes
     FROM account ORDER BY id`,
  )
  for (const { id, money, version, outcomes } of rows)
    console.log(`${id}: ${money} left, version ${version}; ${outcomes}`)
}

const given = process.env.DATABASE_URL
if (given !== undefined) {
  await main(given)
} else {
  const server = await startPostgres()
  try {
    await main(server.url)
  } finally {
    await server.remove()
  }
}
