// A rough day at the payment service: `node main.ts`; with DATABASE_URL it uses that (empty) database, without it starts
// a Postgres of its own. Every message is delivered three times, and processes are killed in the middle of payments.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { pgDatabase } from '@oncebox/core/pg'
import { uniqueViolation } from '@oncebox/guards'
import { createOutbox } from '@oncebox/outbox'
import { pgBoss, queueName } from '@oncebox/pg-boss'
import { createRelay } from '@oncebox/relay'
import { migrate } from '@oncebox/schema'
import { standstill, startCrew, startPostgres, until } from '@oncebox/testkit'
import type { Publisher } from '@oncebox/transport'
import pg from 'pg'
import { group, messages, type PaymentRequest } from './messages.ts'
import { insertPayment } from './payments.ts'

const topic = 'payments'
const copies = 3

/** Asks `times` times for the payment with this number, each time in a message of its own. */
function asked(number: number, times: number, cents = 100 * number): PaymentRequest[] {
  return Array.from({ length: times }, () => ({ serial: `P-${number}`, account: `A-${number % 7}`, cents }))
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n)

/** Each wave loses a process: ten requests for one payment at once; then others, twice each; one is too much. */
const waves: PaymentRequest[][] = [
  asked(1, 10),
  [...asked(2, 5, 2_000_000), ...numbers(3, 12).flatMap((number) => asked(number, 2))],
  numbers(13, 22).flatMap((number) => asked(number, 2)),
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
  await client.query(await readFile(new URL('payments.sql', import.meta.url), 'utf8'))
  client.release()

  const transport = pgBoss({ connectionString, topics: { [topic]: [group] }, heartbeatSeconds: 2 })
  const outbox = createOutbox({ source: 'checkout', messages })
  const relay = createRelay({ pool, publisher: repeating(transport) })
  // Of one transaction, so that they are published together and none waits for the copies of another.
  const send = (requests: readonly PaymentRequest[]) =>
    db.transaction(({ tx }) =>
      outbox.emitMany(
        tx,
        requests.map((data) => ({ type: 'payment.requested', data })),
      ),
    )

  const script = fileURLToPath(new URL('consumer.ts', import.meta.url))
  await relay.start()
  await using crew = await startCrew({ script, args: [connectionString], size: 3, ready: 'paying' })
  for (const requests of waves) {
    const begin = () => send(requests)
    // All twelve workers have begun a transaction and none can end it; then one of the three processes is gone.
    const strike = () => crew.killOne()
    await standstill({ url: connectionString, table: 'payment', application: group, sessions: 12, begin, strike })
  }
  const deliveries = copies * waves.flat().length
  await until(() => settled(pool, deliveries), { deadlineMs: 120_000, what: 'all requests to be handled' })
  await crew.stop()
  await relay.stop()
  await transport.close()
  console.log(`${waves.flat().length} requests, ${deliveries} deliveries, ${crew.kills} processes killed at work`)
  await tell(pool)

  // Somebody who never heard of the guard.
  const byHand = db.transaction(({ tx }) => insertPayment(tx, { serial: 'P-1', account: 'A-1', cents: 100 }))
  const error = await byHand.catch((thrown: unknown) => thrown)
  console.log(`by hand: ${uniqueViolation(error, 'payment_serial') ? 'refused by the unique index' : 'paid again'}`)
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

/** What the requests were told; serial numbers that fared alike share a line. */
async function tell(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query(
    `SELECT count(*) AS serials, requests, applied, duplicate, told FROM (
       SELECT count(*) AS requests, count(*) FILTER (WHERE outcome = 'applied') AS applied,
         count(*) FILTER (WHERE outcome = 'duplicate') AS duplicate,
         CASE count(DISTINCT row(status, number)) WHEN 1 THEN 'the same answer: ' || min(status) ELSE 'several' END AS told
       FROM answer GROUP BY serial
     ) AS by_serial
     GROUP BY requests, applied, duplicate, told ORDER BY requests DESC`,
  )
  for (const { serials, requests, applied, duplicate, told } of rows) {
    console.log(`${serials} × ${requests} requests: ${applied} applied, ${duplicate} duplicate, ${told}`)
  }
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
