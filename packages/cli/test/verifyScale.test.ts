import { kafka } from '@oncebox/kafka'
import { kafkajs } from '@oncebox/kafkajs'
import { until } from '@oncebox/testkit'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { batch, createConsumer } from 'oncebox/inbox'
import { pgDatabase } from 'oncebox/pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jsonLines, oncebox } from './oncebox.js'
import { emitSql, type MigratedDatabase, migratedDatabase } from './outbox.js'
import { publishBy } from './publishBy.js'

/** `ONCEBOX_VERIFY_MESSAGES=1000000` for the figures of docs/operations.md. */
const count = Number(process.env.ONCEBOX_VERIFY_MESSAGES ?? 20_000)
const timeout = 120_000 + count
const partitions = 6
const keys = 5_000

/** The command's last words: what it held in memory at most, in KiB. */
const lastWords = "process.on('exit', () => console.error('peak ' + process.resourceUsage().maxRSS))"
const tellMemory = `--import=data:text/javascript,${encodeURIComponent(lastWords)}`

interface Verified {
  readonly written: number
  readonly published: number
  readonly groups: readonly object[]
  readonly discrepancies: readonly { readonly code: string; readonly id: string }[]
}

async function verified(database: MigratedDatabase, consumer: MigratedDatabase) {
  const { brokers } = await testKafka()
  const began = performance.now()
  const { code, stdout, stderr } = await oncebox(
    ['verify', '--json', '--since', '1d', '--brokers', brokers.join(), '--consumer-url', consumer.url],
    { environment: { ...database.environment, NODE_OPTIONS: tellMemory } },
  )
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const peak = /^peak (\d+)\n$/.exec(stderr)?.[1]
  expect(peak, stderr).toBeDefined()
  process.stderr.write(`verify of ${count} messages: ${seconds} s, ${Math.round(Number(peak) / 1024)} MiB at most\n`)
  return { code, ...(jsonLines(stdout)[0] as unknown as Verified) }
}

/** Writes `count` messages over `keys` keys, 10,000 in a transaction. */
async function writeMany(database: MigratedDatabase, topic: string): Promise<void> {
  for (let from = 0; from < count; from += 10_000) {
    const to = Math.min(count, from + 10_000)
    await database.pool.query(
      `select count(oncebox.emit($1, 'k' || n % $2::int, 'made', '{}'::text)) from generate_series($3::int, $4::int - 1) as n`,
      [topic, keys, from, to],
    )
  }
}

/** Handles everything in batches until it is stopped; tells how many messages are settled. */
async function startGroup(consumer: MigratedDatabase, topic: string): Promise<() => number> {
  const { brokers } = await testKafka()
  const subscriber = kafka({ brokers })
  let settled = 0
  const group = createConsumer({
    db: pgDatabase(consumer.pool),
    subscriber,
    group: 'billing',
    messages: {},
    topics: [topic],
    batchMessages: 5_000,
    handlers: { '*': batch(async (messages, { tx }) => tx.query('SELECT $1::int', [messages.length])) },
    onEvent(event) {
      if (event.type === 'committed') settled += event.handled + event.duplicates
    },
  })
  await group.start()
  onTestFinished(async () => {
    await group.stop({ deadlineMs: 5_000 })
    await subscriber.close()
  })
  return () => settled
}

describe.skipIf(await kafkaMissing())('oncebox verify over many messages', { timeout }, () => {
  test('nothing is found where all went well; a lost record, a duplicate and a swapped pair are found, and nothing else', async () => {
    await using database = await migratedDatabase()
    await using consumer = await migratedDatabase()
    const { brokers } = await testKafka()
    const transport = kafkajs({ brokers })
    onTestFinished(() => transport.close())
    const topic = uniqueName('scale')
    await transport.createTopic(topic, partitions)
    await writeMany(database, topic)
    const relayed = await oncebox(['relay', '--until-idle', '--brokers', brokers.join()], database)
    expect(relayed.code, relayed.stderr).toBe(0)
    const settled = await startGroup(consumer, topic)
    const isSettled = (wanted: number) =>
      until(() => settled() >= wanted, { what: `${wanted} messages to be settled`, deadlineMs: timeout })
    await isSettled(count)

    const clean = await verified(database, consumer)
    expect(clean).toMatchObject({ code: 0, written: count, published: count, discrepancies: [] })
    expect(clean.groups).toEqual([{ group: 'billing', topic, passed: count }])

    const emit = async (key: string) =>
      (await emitSql(database, { topic, key, type: 'made', payload: 'canary' }))[0] as string
    const [lost, twice, first, second] = [await emit('a'), await emit('b'), await emit('c'), await emit('c')]
    await publishBy(transport, database, topic, [twice, second, twice, first])
    await isSettled(count + 4)

    const planted = await verified(database, consumer)
    expect(planted).toMatchObject({ code: 1, written: count + 4, published: count + 4 })
    expect(planted.discrepancies.map(({ code, id }) => `${code} ${id}`).sort()).toEqual(
      [`DUPLICATED ${twice}`, `LOST ${lost}`, `OUT_OF_ORDER ${first}`].sort(),
    )
  })
})
