// A rough day at the coupon service: `node main.ts`; with DATABASE_URL it uses that (empty) database, without it starts
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
import { group, messages, type Presented } from './messages.ts'

const topic = 'coupons'
const copies = 3

const customers = ['ann', 'ben', 'cho', 'dee']

/** Every customer presents the coupon, each in a message of their own. */
const presented = (code: string): Presented[] => customers.map((customer) => ({ code, customer }))

/** Each wave loses a process. In all of them four customers race for each coupon; one presents hers twice. */
const waves: Presented[][] = [
  ['GOOD-1', 'GOOD-2', 'GOOD-3', 'GOOD-4'].flatMap(presented),
  ['OLD-1', 'GOOD-5', 'GOOD-6', 'GOOD-7', 'GOOD-8', 'OLD-2', 'WITHDRAWN'].flatMap(presented),
  [
    ...['GOOD-9', 'GOOD-10', 'GOOD-11', 'GOOD-12', 'OLD-3', 'NEVER-ISSUED'].flatMap(presented),
    { code: 'TWICE', customer: 'ann' },
    { code: 'TWICE', customer: 'ann' },
  ],
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
  await client.query(await readFile(new URL('coupons.sql', import.meta.url), 'utf8'))
  client.release()

  const transport = pgBoss({ connectionString, topics: { [topic]: [group] }, heartbeatSeconds: 2 })
  const outbox = createOutbox({ source: 'till', messages })
  const relay = createRelay({ pool, publisher: repeating(transport) })
  // Of one transaction, so that they are published together and none waits for the copies of another.
  const send = (requests: readonly Presented[]) =>
    db.transaction(({ tx }) =>
      outbox.emitMany(
        tx,
        requests.map((data) => ({ type: 'coupon.presented', data })),
      ),
    )

  const script = fileURLToPath(new URL('consumer.ts', import.meta.url))
  await relay.start()
  await using crew = await startCrew({ script, args: [connectionString], size: 3, ready: 'redeeming' })
  for (const requests of waves) {
    const begin = () => send(requests)
    // All twelve workers have begun a transaction and none can end it; then one of the three processes is gone.
    const strike = () => crew.killOne()
    await standstill({ url: connectionString, table: 'coupon', application: group, sessions: 12, begin, strike })
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

/** What the customers were told, and how often. */
async function tell(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query('SELECT told, count(*) AS times FROM answer GROUP BY told ORDER BY told')
  for (const { told, times } of rows) console.log(`${times} × ${told}`)
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
