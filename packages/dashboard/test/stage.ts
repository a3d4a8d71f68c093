import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { defineMessages } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { type Access, createDashboard, type DashboardOptions, nodeHandler } from '@oncebox/dashboard'
import { createConsumer } from '@oncebox/inbox'
import { kafka } from '@oncebox/kafka'
import { kafkajsInspector } from '@oncebox/kafkajs'
import { createOutbox } from '@oncebox/outbox'
import { createRelay } from '@oncebox/relay'
import { migrate } from '@oncebox/schema'
import { startKafka, until } from '@oncebox/testkit'
import { type TestDatabase, testDatabase, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { Kafka, logLevel } from 'kafkajs'
import { z } from 'zod'

/** A payload and an error that would do harm if they were taken for markup; for pictures something that harms nobody. */
export const markup =
  process.env.ONCEBOX_SCREENSHOTS === undefined
    ? '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'
    : 'expired 04/25'

/** Real messages in a real Postgres and Kafka: most are handled, one key is stuck, one topic is missing. */
export interface Stage extends AsyncDisposable {
  readonly database: TestDatabase
  readonly topic: string
  readonly missingTopic: string
  /** Makes the handler refuse the orders of a key, and writes some. */
  poison(key: string, count: number): Promise<void>
  /** Makes the handler accept what it refuses. */
  mend(): void
  /** Orders of twelve customers, beginning with that number. Default 0. */
  emit(count: number, firstCustomer?: number): Promise<void>
  /** Serves the dashboard on loopback and answers its address. */
  serve(options?: Partial<DashboardOptions>, mount?: string): Promise<string>
}

export const everything: Access = () => ({ name: 'ada', mayAct: true, maySeePayloads: true })

export async function openStage(): Promise<Stage> {
  await using cleanup = new AsyncDisposableStack()
  const database = cleanup.use(await testDatabase())
  const client = await database.pool.connect()
  await migrate(client)
  await client.query('CREATE TABLE invoice (place bigint GENERATED ALWAYS AS IDENTITY, customer text, number int)')
  client.release()

  const { brokers, nameOf } = await openKafka(cleanup)
  const topic = nameOf('orders')
  const missingTopic = nameOf('refunds')
  await createTopics(brokers, [topic])
  const [publisher, subscriber, auditing] = [kafka({ brokers }), kafka({ brokers }), kafka({ brokers })]
  const inspector = kafkajsInspector({ brokers })
  for (const one of [publisher, subscriber, auditing, inspector]) cleanup.defer(() => one.close())

  const write = async (count: number, keyOf: (number: number) => string): Promise<void> => {
    const outbox = createOutbox({ source: 'shop' })
    await pgDatabase(database.pool).transaction(async ({ tx }) => {
      for (let number = 0; number < count; number++) {
        const key = keyOf(number)
        await outbox.emit(tx, { topic, key, type: 'order.created', data: { number, customer: key, note: markup } })
      }
    })
  }
  const emit = (count: number, firstCustomer = 0) =>
    write(count, (number) => `customer-${firstCustomer + (number % 12)}`)
  await emit(120)
  await pgDatabase(database.pool).transaction(async ({ tx }) => {
    const outbox = createOutbox({ source: 'shop' })
    await outbox.emit(tx, { topic: missingTopic, key: 'lost', type: 'order.created', data: { number: 1 } })
  })

  const messages = defineMessages({ 'order.created': { topic, schema: z.object({ number: z.number() }) } })
  const relay = createRelay({
    pool: database.pool,
    publisher,
    holder: 'relay-1',
    parkAfterMs: 300,
    topicRetryMs: 300,
  })
  await relay.start()
  cleanup.defer(() => relay.stop())

  const refused = new Set(['customer-3'])
  const billing = createConsumer({
    db: pgDatabase(database.pool),
    subscriber,
    group: 'billing',
    messages,
    attempts: 1,
    handlers: {
      'order.created': async (message, { tx }) => {
        if (refused.has(message.key ?? '')) throw new Error(`card declined: ${markup}`)
        await tx.query('INSERT INTO invoice (customer, number) VALUES ($1, $2)', [message.key, message.data.number])
      },
    },
  })
  const audit = createConsumer({
    db: pgDatabase(database.pool),
    subscriber: auditing,
    group: 'audit',
    messages,
    handlers: { 'order.created': async () => undefined },
  })
  for (const consumer of [billing, audit]) {
    await consumer.start()
    cleanup.defer(() => consumer.stop())
  }
  const settled = async (): Promise<boolean> => {
    const { rows } = await database.pool.query<{ parked: number; invoices: number }>(
      `SELECT (SELECT count(*)::int FROM oncebox.parked) + (SELECT count(*)::int FROM oncebox.dead_letter) AS parked,
         (SELECT count(*)::int FROM invoice) AS invoices`,
    )
    return rows[0]?.parked === 2 && rows[0].invoices === 110
  }
  await until(settled, { what: 'every order but those of one key to be billed', deadlineMs: 120_000 })

  const serve = async (options: Partial<DashboardOptions> = {}, mount = ''): Promise<string> => {
    const dashboard = createDashboard({
      pool: database.pool,
      access: everything,
      actions: true,
      inspector,
      basePath: mount,
      refreshMs: 300,
      ...options,
    })
    const server = createServer(nodeHandler(dashboard))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    held.defer(async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}${mount}/`
  }
  const held = cleanup.move()
  return {
    database,
    topic,
    missingTopic,
    emit,
    serve,
    async poison(key, count) {
      refused.add(key)
      await write(count, () => key)
    },
    mend: () => refused.clear(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** Names are of this run alone on the shared Kafka; for pictures they are plain, and the Kafka is one of its own. */
async function openKafka(cleanup: AsyncDisposableStack) {
  if (process.env.ONCEBOX_SCREENSHOTS === undefined) return { ...(await testKafka()), nameOf: uniqueName }
  const server = await startKafka()
  cleanup.defer(() => server.remove())
  return { brokers: [...server.brokers], nameOf: (name: string) => name }
}

async function createTopics(brokers: string[], topics: readonly string[]): Promise<void> {
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 3 })), waitForLeaders: true })
  } finally {
    await admin.disconnect()
  }
}
