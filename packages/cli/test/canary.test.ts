import { defineMessages } from '@oncebox/core'
import { fromPg, pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { prometheusMetrics } from '@oncebox/ops/prometheus'
import { createOutbox } from '@oncebox/outbox'
import { createRelay } from '@oncebox/relay'
import { defaultRoles } from '@oncebox/schema'
import { until } from '@oncebox/testkit'
import { memoryTransport } from '@oncebox/transport/memory'
import type pg from 'pg'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { type Canary, canaries, listener } from './canaries.js'
import { oncebox } from './oncebox.js'
import { type MigratedDatabase, migratedDatabase } from './outbox.js'
import { inSpan, recordSpans } from './recordedSpans.js'

const topic = 'orders'
const messages = defineMessages({
  ordered: {
    topic,
    schema: z.object({
      how: z.enum(['well', 'throws', 'violates', 'late']),
      text: z.string(),
      table: z.record(z.string(), z.string()).optional(),
    }),
    key: () => canaries.key,
  },
})
const headers = { tenant: canaries.header }
const data = (how: 'well' | 'throws' | 'violates') => ({ how, text: canaries.payload })

/** Commits what `work` does. */
async function committed(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<unknown>): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await work(client)
    await client.query('COMMIT')
  } finally {
    client.release()
  }
}

const words = listener()

/** What a call throws, heard whole. */
async function heard(from: string, promise: Promise<unknown>): Promise<void> {
  await promise.then(
    () => expect.fail(`${from} was to fail`),
    (error: unknown) => words.hear(from, error),
  )
}

/** Producer, relay and consumer with everything that goes wrong there, and metrics and spans of it. */
async function faultyRun(database: MigratedDatabase): Promise<void> {
  const roles = defaultRoles()
  const transport = memoryTransport({ partitions: 1 })
  for (const name of [topic, 'refused', 'dead']) transport.createTopic(name)
  const metrics = prometheusMetrics({ logger: words.logs('log') })
  metrics.database({ tx: database.pool })
  const outbox = createOutbox({ source: 'shop', messages })
  const client = await database.as(roles.producer).connect()
  const tx = fromPg(client)
  const wrong = { how: canaries.payload, text: canaries.payload } as never
  await heard('error of emit', outbox.emit(tx, 'ordered', wrong))
  const table = { how: 'well', text: '', table: { [canaries.payload]: 1 } }
  await heard('error of emit', outbox.emit(tx, 'ordered', table as never))
  const raw = { topic, key: canaries.key, type: 'raw' }
  await heard('error of emit', outbox.emit(tx, { ...raw, data: { [canaries.payload]: 1n } }))
  await heard('error of emit', outbox.emit(tx, { ...raw, data: canaries.payload.repeat(60_000) }))
  await heard('error of emit', outbox.emit(tx, { ...raw, key: `${canaries.key}\0`, data: 1 }))
  await heard('error of emit', outbox.emit(tx, { ...raw, data: 1, headers: { ce_id: canaries.header } }))
  await heard('error of emit', outbox.emit(tx, { ...raw, data: 1, headers: { tenant: `${canaries.header}\uD800` } }))
  client.release()
  await inSpan('request', () =>
    committed(database.as(roles.producer), async (client) => {
      for (const how of ['well', 'throws', 'violates'] as const) {
        await outbox.emit(fromPg(client), 'ordered', data(how), { headers })
      }
      // Other languages write what no contract has seen.
      const emit = 'SELECT oncebox.emit($1, $2, $3, $4::text, $5::jsonb, content_type => $6)'
      const other = (to: string, type: string, text: string) =>
        client.query(emit, [to, `${canaries.key} ${type}`, type, text, JSON.stringify(headers), 'application/json'])
      await other(topic, 'ordered', `{"how": "${canaries.payload}"}`)
      await other(topic, 'ordered', `{"${canaries.payload}`)
      await other('refused', 'refused', `"${canaries.payload}"`)
      await other('missing', 'missing', `"${canaries.payload}"`)
    }),
  )
  transport.refuse((record) => (record.topic === 'refused' ? 'RECORD_REFUSED' : null))
  const relay = createRelay({
    pool: database.as(roles.relay),
    publisher: transport.publisher(),
    logger: words.logs('log'),
    onEvent(event) {
      words.hear('event of the relay', event)
      metrics.relay(event)
    },
  })
  const count = metrics.consumer('billing')
  const consumer = createConsumer({
    db: pgDatabase(database.as(roles.consumer)),
    subscriber: transport.subscriber(),
    group: 'billing',
    messages,
    logger: words.logs('log'),
    attempts: 2,
    backoff: { minMs: 1, maxMs: 2 },
    deadLetterTopic: { topic: 'dead', publisher: transport.publisher() },
    onEvent(event) {
      // The error is the handler's own object, for the program that made it.
      words.hear('event of the consumer', { ...event, error: undefined })
      count(event)
    },
    handlers: {
      ordered: async (message, { trx }) => {
        const { key, headers: given, data: order } = message
        if (order.how === 'violates') await trx.query('INSERT INTO once VALUES ($1), ($1)', [order.text])
        if (order.how === 'throws') throw new Error(`${key} ${order.text}`, { cause: new Error(JSON.stringify(given)) })
      },
    },
  })
  try {
    await relay.start()
    await consumer.start()
    const dead = async () => (await database.pool.query('SELECT FROM oncebox.dead_letter')).rows.length
    await until(async () => (await dead()) >= 2, { what: 'what cannot be handled to be dead', deadlineMs: 20_000 })
    const parked = async () => (await database.pool.query('SELECT FROM oncebox.parked')).rows.length
    await until(async () => (await parked()) >= 1, { what: 'the refused one to be moved aside', deadlineMs: 20_000 })
    transport.disconnect()
    await committed(database.as(roles.producer), (client) => outbox.emit(fromPg(client), 'ordered', data('well')))
    await until(() => words.count('event of the relay') > 0 && words.count('log') > 0, { what: 'words' })
    transport.reconnect()
    await relay.drain()
    words.hear('metrics', await metrics.text())
  } finally {
    await relay.stop({ deadlineMs: 30_000 })
    await consumer.stop({ deadlineMs: 30_000 })
  }
}

/** Commands that are asked what is held up, or for one message, say whose key it is, to the one who asks. */
const showKeys = ['status', 'show', 'tail', 'doctor', 'lag']
const shownOnRequest = (from: string, canary: Canary): boolean =>
  canary === 'key' && showKeys.some((verb) => from === `stdout of ${verb}`)

/** Everything that looks at what the run has left, and everything that cannot be reached. */
async function commands(database: MigratedDatabase, id: string): Promise<void> {
  const url = database.url.replace('postgres@', `postgres:${canaries.password}@`)
  const environment = { ...database.environment, DATABASE_URL: url, KAFKA_SASL_PASSWORD: canaries.password }
  const nobody = `postgres://shop:${canaries.password}@127.0.0.1:1/${canaries.database}`
  const sasl = ['--brokers', '127.0.0.1:1', '--tls', '--sasl-mechanism', 'plain', '--sasl-username', 'me']
  const boss = ['--transport', 'pg-boss', '--topic', 'orders=billing']
  const all: [string, ...string[]][] = [
    ['relay', '--json', '--until-idle', '--log-level', 'debug', ...boss],
    ['relay', '--until-idle', '--log-level', 'debug', ...boss],
    ['relay', '--json', '--log-level', 'debug', ...sasl],
    ['doctor', '--json', ...sasl],
    ['status', '--json'],
    ['status'],
    ['show', id, '--json'],
    ['show', id],
    ['lag'],
    ['dead', 'list', '--json'],
    ['dead', 'list'],
    ['plan', '--database-url', nobody, '--log-level', 'debug'],
    ['plan', '--database-url', `${nobody}?sslmode=require&sslrootcert=/${canaries.database}`],
    ['plan', '--database-url', nobody.replace('postgres:', 'mysql:')],
  ]
  for (const [verb, ...args] of all) {
    const { stdout, stderr } = await oncebox([verb, ...args], { environment })
    words.hear(`stdout of ${verb}`, stdout)
    words.hear(`stderr of ${verb}`, stderr)
  }
}

test('no payload, key, header, password or connection string comes out of a run in which everything goes wrong', async () => {
  using spans = recordSpans()
  await using database = await migratedDatabase()
  await database.pool.query(
    `CREATE TABLE once (text text PRIMARY KEY); GRANT ALL ON once TO ${defaultRoles().consumer}`,
  )
  await faultyRun(database)
  const { rows } = await database.pool.query('SELECT message_id::text AS id FROM oncebox.dead_letter LIMIT 1')
  await commands(database, rows[0].id)
  words.hear(
    'span',
    ...spans.all().map(({ name, attributes, events, status, links, resource }) => {
      return { name, attributes, events, status, links, resource: resource.attributes }
    }),
  )
  for (const way of [
    'log',
    'event of the relay',
    'event of the consumer',
    'metrics',
    'span',
    'error of emit',
    'stdout',
    'stderr',
  ]) {
    expect(words.count(way), way).toBeGreaterThan(0)
  }
  expect(words.found(shownOnRequest)).toEqual([])
}, 180_000)
