// Effects of messages that are ready in memory: with the inbox and without one, in a way of `inboxArms`.
import {
  decodeEnvelope,
  decodePayload,
  defineMessages,
  localIds,
  type Message,
  silentLogger,
  type Tx,
} from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { batch, createConsumer } from '@oncebox/inbox'
import { memoryTransport } from '@oncebox/transport/memory'
import pg from 'pg'
import { measure } from '../armResult.js'
import { type InboxArm, type InboxWay, inboxArms } from '../inboxArms.js'
import { payloadOf, topic, type } from '../workload.js'

interface Data {
  readonly seq: number
  readonly key: string
}

const messages = Number(process.env.MESSAGES)
const { inbox, handler, batchMessages, prepared = false }: InboxWay = inboxArms[process.env.WAY as InboxArm]
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 8 })
const transport = memoryTransport({ partitions: 1 })
transport.createTopic(topic)
const header = (name: string, value: string): [string, Uint8Array] => [name, Buffer.from(value)]
// One object for what all share: a heap of what waits would have the garbage collector measured.
const shared = [
  header('ce_type', type),
  header('ce_source', 'bench'),
  header('ce_specversion', '1.0'),
  header('content-type', 'application/json'),
]
const records = Array.from({ length: messages }, (_, n) => ({
  topic,
  partition: 0,
  key: Buffer.from(`k${n % 1_000}`),
  value: Buffer.from(payloadOf(n)),
  headers: [header('ce_id', localIds.next()), ...shared],
}))
const publisher = transport.publisher()
for (let from = 0; from < messages; from += 10_000) await publisher.publish(records.slice(from, from + 10_000))

/** One row an effect, in one statement for all that came. */
async function insertEffects(tx: Tx, received: readonly Message<Data>[]): Promise<void> {
  await tx.query('INSERT INTO effect (seq, key) SELECT * FROM unnest($1::int[], $2::text[])', [
    received.map(({ data }) => data.seq),
    received.map(({ data }) => data.key),
  ])
}

/** One row, in a statement of its own, as most handlers are written. */
async function insertEffect(tx: Tx, { data }: Message<Data>): Promise<void> {
  await tx.query('INSERT INTO effect (seq, key) VALUES ($1, $2)', [data.seq, data.key])
}

const group = `inbox-${process.pid}`
let handled = 0
const all = Promise.withResolvers<void>()
const done = (count: number) => {
  handled += count
  if (handled >= messages) all.resolve()
}

/**
 * The same messages, decoded in the same way, and the same effects in as many transactions: without ids, offsets and
 * attempts.
 */
async function withoutInbox(): Promise<void> {
  const database = pgDatabase(pool)
  const subscription = await transport.subscriber().subscribe(
    { group, topics: [topic], maxRecords: batchMessages, maxBytes: 4 << 20, logger: silentLogger },
    {
      assigned: async () => new Map(),
      revoked: async () => {},
      async batch({ records: delivered }) {
        const received = delivered.map((record) => {
          const envelope = decodeEnvelope(record)
          return { ...envelope, data: decodePayload(record.value, envelope.contentType) as Data }
        })
        await database.transaction(async ({ tx }) => {
          if (handler === 'batch') await insertEffects(tx, received)
          else for (const message of received) await insertEffect(tx, message)
        })
        done(received.length)
        return { done: received.length }
      },
    },
  )
  await all.promise
  await subscription.stop({ deadlineMs: 10_000 })
}

/** Takes what JSON says: validation is not what is measured. */
const order: { readonly '~standard': Standard } = {
  '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value: value as Data }) },
}

interface Standard {
  readonly version: 1
  readonly vendor: string
  readonly validate: (value: unknown) => { readonly value: Data }
  readonly types?: { readonly input: Data; readonly output: Data }
}

async function withInbox(): Promise<void> {
  const consumer = createConsumer({
    db: pgDatabase(pool, { prepare: prepared }),
    subscriber: transport.subscriber(),
    group,
    messages: defineMessages({ 'order.created': { topic, schema: order } }),
    batchMessages,
    handlers: {
      'order.created':
        handler === 'batch'
          ? batch((received: readonly Message<Data>[], { tx }) => insertEffects(tx, received))
          : (message, { tx }) => insertEffect(tx, message),
    },
    onEvent: (event) => {
      if (event.type === 'committed') done(event.handled)
    },
  })
  await consumer.start()
  await all.promise
  await consumer.stop({ deadlineMs: 10_000 })
}

await measure(async () => {
  await (inbox ? withInbox() : withoutInbox())
  return messages
})
await pool.end()
process.exit(0)
