// Small business transactions by 8 writers for a while, with and without a message, sent in one of several ways.
import { fromPg } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import pg from 'pg'
import { measure } from '../armResult.js'
import { payloadOf, topic, type } from '../workload.js'
import { type WriteArm, type WriteWay, writeArms, writers } from '../writeArms.js'

const seconds = Number(process.env.SECONDS)
const { message, pipeline, prepared = false }: WriteWay = writeArms[process.env.WAY as WriteArm]
const outbox = createOutbox({ source: 'bench' })
const clients = await Promise.all(
  Array.from({ length: writers }, async () => {
    const client = new pg.Client({ connectionString: process.env.DATABASE_URL, pipeline: pipeline !== 'none' })
    await client.connect()
    return client
  }),
)

let sequence = 0
const outgoing = () => {
  sequence++
  return { topic, key: `k${sequence % 1_000}`, type, data: payloadOf(sequence) }
}

/** One transaction; resolves to how many messages it wrote. */
async function transaction(client: pg.Client): Promise<number> {
  const tx = fromPg(client, { prepare: prepared })
  if (message === 'many') {
    await client.query('BEGIN')
    await outbox.emitMany(tx, Array.from({ length: 1_000 }, outgoing))
    await client.query('COMMIT')
    return 1_000
  }
  const begun = client.query('BEGIN')
  if (pipeline !== 'all') await begun
  const business = client.query({
    ...(prepared ? { name: 'business' } : {}),
    text: 'INSERT INTO orders (customer, cents) VALUES ($1, $2)',
    values: [`c${sequence % 100}`, 100],
  })
  if (pipeline !== 'all') await business
  const emitted = message === 'one' ? outbox.emit(tx, outgoing()) : undefined
  if (message === 'none') sequence++
  if (pipeline === 'none') await emitted
  // What is pipelined is awaited all the same: a statement that failed makes the COMMIT a rollback.
  await Promise.all([begun, business, emitted, client.query('COMMIT')])
  return message === 'one' ? 1 : 0
}

const lsn = async (): Promise<string> => {
  const { rows } = await (clients[0] as pg.Client).query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
  return (rows[0] as { lsn: string }).lsn
}

/** For `forMs` milliseconds. */
async function write(forMs: number): Promise<{ transactions: number; events: number }> {
  const end = performance.now() + forMs
  let transactions = 0
  let events = 0
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < end) {
        const written = await transaction(client)
        events += written
        transactions++
      }
    }),
  )
  return { transactions, events }
}

// The first message of a process waits until it is known whether anybody traces. A COMMIT that is sent without waiting
// for it would overtake it.
const first = clients[0] as pg.Client
await first.query('BEGIN')
await outbox.emit(fromPg(first), outgoing())
await first.query('ROLLBACK')
// Plans, caches and the compiler are warm before the clock runs.
await write(Math.min(1_000, seconds * 200))
const from = await lsn()
await measure(async () => {
  const start = performance.now()
  const { transactions, events } = await write(seconds * 1_000)
  const elapsed = (performance.now() - start) / 1_000
  const { rows } = await (clients[0] as pg.Client).query<{ bytes: number }>(
    'SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1::pg_lsn)::float8 AS bytes',
    [from],
  )
  const bytes = rows[0]?.bytes ?? Number.NaN
  const more = {
    walBytesPerTransaction: bytes / transactions,
    ...(message === 'many' ? { eventsPerSecond: events / elapsed, walBytesPerEvent: bytes / events } : {}),
  }
  return { messages: transactions, seconds: elapsed, more }
})
await Promise.all(clients.map((client) => client.end()))
process.exit(0)
