// Effects of messages that are ready in memory: with the inbox, without one, and one message a transaction.
import { defineMessages, localIds, type Message, silentLogger, type Tx } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { batch, createConsumer } from '@oncebox/inbox'
import { memoryTransport } from '@oncebox/transport/memory'
import pg from 'pg'
import { measure } from '../armResult.js'
import { payloadOf, topic, type } from '../workload.js'

interface Data {
  readonly seq: number
  readonly key: string
}

const messages = Number(process.env.MESSAGES)
const way = process.env.WAY as 'inbox' | 'handlerEach' | 'noInbox' | 'onePerTransaction'
const batchMessages = way === 'onePerTransaction' ? 1 : 1_000
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 8 })
const transport = memoryTransport({ partitions: 1 })
transport.createTopic(topic)
const header = (name: string, value: string): [string, Uint8Array] => [name, Buffer.from(value)]
const records = Array.from({ length: messages }, (_, n) => ({
  topic,
  partition: 0,
  key: Buffer.from(`k${n % 1_000}`),
  value: Buffer.from(payloadOf(n)),
  headers: [
    header('ce_id', localIds.next()),
    header('ce_type', type),
    header('ce_source', 'bench'),
    header('ce_specversion', '1.0'),
    header('content-type', 'application/json'),
  ],
}))
const publisher = transport.publisher()
for (let from = 0; from < messages; from += 10_000) await publisher.publish(records.slice(from, from + 10_000))

/** One row an effect, in one statement for all that came. */
async function insertEffects(tx: Tx, data: readonly Data[]): Promise<void> {
  await tx.query('INSERT INTO effect (seq, key) SELECT * FROM unnest($1::int[], $2::text[])', [
    data.map(({ seq }) => seq),
    data.map(({ key }) => key),
  ])
}

const group = `inbox-${process.pid}`
let handled = 0
const all = Promise.withResolvers<void>()
const done = (count: number) => {
  handled += count
  if (handled >= messages) all.resolve()
}

/** The same messages and the same effects, without ids, offsets and attempts. */
async function withoutInbox(): Promise<void> {
  const subscription = await transport.subscriber().subscribe(
    { group, topics: [topic], maxRecords: batchMessages, maxBytes: 4 << 20, logger: silentLogger },
    {
      assigned: async () => new Map(),
      revoked: async () => {},
      async batch(delivered) {
        const data = delivered.records.map(({ value }) => JSON.parse(Buffer.from(value ?? []).toString()) as Data)
        await pgDatabase(pool).transaction(({ tx }) => insertEffects(tx, data))
        done(data.length)
        return { done: data.length }
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
    db: pgDatabase(pool),
    subscriber: transport.subscriber(),
    group,
    messages: defineMessages({ 'order.created': { topic, schema: order } }),
    batchMessages,
    handlers: {
      'order.created':
        way === 'inbox'
          ? batch((received: readonly Message<Data>[], { tx }) =>
              insertEffects(
                tx,
                received.map(({ data }) => data),
              ),
            )
          : ({ data }, { tx }) => insertEffects(tx, [data]),
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
  await (way === 'noInbox' ? withoutInbox() : withInbox())
  return messages
})
await pool.end()
process.exit(0)
