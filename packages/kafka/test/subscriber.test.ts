import { type Clock, type Logger, silentLogger, systemClock } from '@oncebox/core'
import { type KafkaOptions, kafka } from '@oncebox/kafka'
import { kafkajs } from '@oncebox/kafkajs'
import { freePort, startKafka, startProxy, until } from '@oncebox/testkit'
import { kafkaMissing, keepAliveAsksInMs, keepAliveUnknown, testKafka, uniqueName } from '@oncebox/testkit/harness'
import type { BatchHandler, OutgoingRecord, TopicPartition } from '@oncebox/transport'
import kafkaClient, { type Admin } from 'kafkajs'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'

const { Kafka, logLevel, CompressionTypes } = kafkaClient
const missing = await kafkaMissing()
const limits = { maxRecords: 100, maxBytes: 1_000_000, logger: silentLogger }

const record = (topic: string, value: string, partition = 0): OutgoingRecord => ({
  topic,
  partition,
  key: Buffer.from('secret-key'),
  value: Buffer.from(value),
  headers: [['secret-header', 'secret-header-value']],
})

function handler(batch: BatchHandler['batch'], overrides: Partial<BatchHandler> = {}): BatchHandler {
  return { assigned: async () => new Map(), revoked: async () => {}, batch, ...overrides }
}

const values = (batch: Parameters<BatchHandler['batch']>[0]) => batch.records.map((each) => String(each.value))

/** A handler that does everything it is given, and what it was given. */
function collector() {
  const seen: string[] = []
  const assigned: (readonly TopicPartition[])[] = []
  const all = handler(
    async (batch) => {
      seen.push(...values(batch))
      return { done: batch.records.length }
    },
    {
      assigned: async (partitions) => {
        assigned.push(partitions)
        return new Map()
      },
    },
  )
  return { seen, assigned, handler: all }
}

async function setUp(partitions: number, settings: Partial<KafkaOptions> = {}) {
  const { brokers } = await testKafka()
  const transport = kafka({ brokers, deliveryTimeoutMs: 10_000, ...settings })
  onTestFinished(() => transport.close())
  const topic = uniqueName('subscriber')
  await transport.createTopic(topic, partitions)
  return { brokers, transport, topic, group: uniqueName('group') }
}

async function adminOf(brokers: string[]): Promise<Admin> {
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  onTestFinished(() => admin.disconnect())
  return admin
}

describe.skipIf(missing !== undefined)('subscribing to a real Kafka', () => {
  beforeAll(testKafka, 120_000)

  it("commits to Kafka, for everyone's lag tools, the offset after the last record done", async () => {
    const { brokers, transport, topic, group } = await setUp(1)
    await transport.publish([record(topic, '1'), record(topic, '2'), record(topic, '3')])
    let calls = 0
    await transport.subscribe(
      { ...limits, group, topics: [topic] },
      handler(async () => (calls++ === 0 ? { done: 2, retryAfterMs: 60_000 } : { done: 0, retryAfterMs: 60_000 })),
    )
    const admin = await adminOf(brokers)
    const committed = async () =>
      (await admin.fetchOffsets({ groupId: group, topics: [topic] }))[0]?.partitions[0]?.offset
    await until(async () => (await committed()) === '2', { what: 'the commit' })
  })

  it('commits where the handler goes on, also when nothing is left to be read there', async () => {
    const { brokers, transport, topic, group } = await setUp(2)
    await transport.publish([record(topic, '1'), record(topic, '2', 1), record(topic, '3', 1)])
    const seen: string[] = []
    await transport.subscribe(
      { ...limits, group, topics: [topic] },
      handler(
        async (batch) => {
          seen.push(...values(batch))
          return { done: 0, retryAfterMs: 60_000 }
        },
        {
          // As after a consumer that ended before it could tell Kafka.
          assigned: async (partitions) =>
            new Map(partitions.flatMap((each) => (each.partition === 1 ? [[each, '2'] as const] : []))),
        },
      ),
    )
    const admin = await adminOf(brokers)
    const committed = async () =>
      (await admin.fetchOffsets({ groupId: group, topics: [topic] }))[0]?.partitions
        .toSorted((a, b) => a.partition - b.partition)
        .map(({ offset }) => offset)
    await until(async () => (await committed())?.[1] === '2', { what: 'the commit' })
    // Nothing was done in the other one.
    await until(() => seen.length > 0, { what: 'a batch' })
    expect(seen).toEqual(['1'])
    expect(await committed()).toEqual(['-1', '2'])
  })

  it('lets a running batch end when a rebalance begins, commits it, and delivers it nowhere else', async () => {
    const heartbeatIntervalMs = 321
    let heartbeats = 0
    const clock: Clock = {
      now: systemClock.now,
      sleep(ms, signal) {
        if (ms === heartbeatIntervalMs) heartbeats++
        return systemClock.sleep(ms, signal)
      },
    }
    const settings = { sessionTimeoutMs: 6000, heartbeatIntervalMs, clock }
    const { brokers, transport, topic, group } = await setUp(2, settings)
    await transport.publish([record(topic, 'a', 0), record(topic, 'b', 1)])
    const seen: string[] = []
    const aborted: boolean[] = []
    const finish = Promise.withResolvers<void>()
    const first = handler(async (batch) => {
      seen.push(...values(batch))
      await finish.promise
      aborted.push(batch.signal.aborted)
      return { done: batch.records.length }
    })
    await transport.subscribe({ ...limits, group, topics: [topic] }, first)
    await until(() => seen.length === 2, { what: 'both batches to run' })
    const second = collector()
    let joined = false
    const joining = transport.subscribe({ ...limits, group, topics: [topic] }, second.handler).then(() => {
      joined = true
    })
    const admin = await adminOf(brokers)
    const state = async () => (await admin.describeGroups([group])).groups[0]?.state
    await until(async () => (await state()) === 'PreparingRebalance', { what: 'the rebalance to begin' })
    // The second pause from now on begins after a whole heartbeat, which has told the first member of the rebalance.
    const before = heartbeats
    await until(() => heartbeats >= before + 2, { what: 'a heartbeat' })
    expect(joined).toBe(false)
    expect(await state()).toBe('PreparingRebalance')
    finish.resolve()
    await joining
    await transport.publish([record(topic, 'c', 0), record(topic, 'd', 1)])
    await until(() => seen.length + second.seen.length >= 4, { what: 'the new records' })
    expect([...seen, ...second.seen].sort()).toEqual(['a', 'b', 'c', 'd'])
    expect(aborted).toContain(false)
    expect(aborted).not.toContain(true)
  })

  it('aborts a batch that outlasts the rebalance timeout, and delivers it again', async () => {
    const { transport, topic, group } = await setUp(1, { sessionTimeoutMs: 6000, rebalanceTimeoutMs: 2500 })
    await transport.publish([record(topic, '1')])
    const aborted = Promise.withResolvers<void>()
    let deliveries = 0
    const slowOnce = handler(async (batch) => {
      if (++deliveries > 1) return { done: batch.records.length }
      await new Promise((resolve) => batch.signal.addEventListener('abort', resolve))
      aborted.resolve()
      return { done: batch.records.length }
    })
    await transport.subscribe({ ...limits, group, topics: [topic] }, slowOnce)
    await until(() => deliveries === 1, { what: 'the batch to run' })
    await transport.subscribe({ ...limits, group, topics: [topic] }, slowOnce)
    await aborted.promise
    await until(() => deliveries === 2, { what: 'the redelivery' })
  })

  it('keeps a pause of a partition over a rebalance', async () => {
    const { transport, topic, group } = await setUp(1, { sessionTimeoutMs: 6000 })
    await transport.publish([record(topic, '1')])
    const at: number[] = []
    const pausing = handler(async (batch) => {
      at.push(performance.now())
      return at.length === 1 ? { done: 0, retryAfterMs: 4000 } : { done: batch.records.length }
    })
    await transport.subscribe({ ...limits, group, topics: [topic] }, pausing)
    await until(() => at.length === 1, { what: 'the first delivery' })
    const idle = uniqueName('idle')
    await transport.createTopic(idle, 1)
    const other = await transport.subscribe({ ...limits, group, topics: [idle] }, pausing)
    await other.stop({ deadlineMs: 1000 })
    await until(() => at.length === 2, { what: 'the second delivery' })
    expect((at[1] as number) - (at[0] as number)).toBeGreaterThanOrEqual(3990)
  })

  it('stops in time although assigned() never answers', async () => {
    const { transport, topic, group } = await setUp(1)
    const asked = Promise.withResolvers<void>()
    const stuck = handler(async () => ({ done: 0 }), {
      assigned: () => {
        asked.resolve()
        return new Promise(() => {})
      },
    })
    const subscription = await transport.subscribe({ ...limits, group, topics: [topic] }, stuck)
    await asked.promise
    const started = performance.now()
    await subscription.stop({ deadlineMs: 500 })
    expect(performance.now() - started).toBeLessThan(5000)
  })

  it('takes over again a topic that was deleted and made anew, under its new id', async () => {
    const { brokers, transport, topic, group } = await setUp(1)
    await transport.publish([record(topic, 'old 1'), record(topic, 'old 2')])
    const { seen, assigned, handler: all } = collector()
    await transport.subscribe({ ...limits, group, topics: [topic] }, all)
    await until(() => seen.length === 2, { what: 'the old records' })
    const admin = await adminOf(brokers)
    await admin.deleteTopics({ topics: [topic] })
    await until(async () => (await transport.partitions(topic)) === null, { what: 'the topic to go' })
    await transport.createTopic(topic, 1)
    await transport.publish([record(topic, 'new 1')])
    await until(() => seen.length === 3, { what: 'the new record', deadlineMs: 25_000 })
    expect(seen).toEqual(['old 1', 'old 2', 'new 1'])
    const ids = new Set(assigned.flat().map((each) => each.topicId))
    expect(ids.size).toBe(2)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/)
  }, 60_000)

  it('goes on at the first record that is left when those before it were deleted, and says so', async () => {
    const warnings: string[] = []
    const logger: Logger = { ...silentLogger, warn: (_, message) => void warnings.push(message) }
    const { brokers, transport, topic, group } = await setUp(1)
    await transport.publish(Array.from({ length: 10 }, (_, n) => record(topic, `${n}`)))
    let calls = 0
    const seen: string[] = []
    // Paused long enough that what was fetched is dropped, and the offset is out of range when it is fetched again.
    const slow = handler(async (batch) => {
      if (calls++ === 0) return { done: 2, retryAfterMs: 3000 }
      seen.push(...values(batch))
      return { done: batch.records.length }
    })
    const admin = await adminOf(brokers)
    // kafkajs deletes only from topics that it was asked about before.
    await admin.fetchTopicMetadata({ topics: [topic] })
    await admin.fetchTopicOffsets(topic)
    await transport.subscribe({ ...limits, logger, group, topics: [topic] }, slow)
    await until(() => calls === 1, { what: 'the first batch' })
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '7' }] })
    await until(() => seen.length > 0, { what: 'what is left' })
    expect(seen).toEqual(['7', '8', '9'])
    expect(warnings.some((message) => message.includes('out of the range'))).toBe(true)
  })

  it('sees what others compressed and committed, and nothing of what they aborted', async () => {
    const { brokers, transport, topic, group } = await setUp(1)
    const client = new Kafka({ brokers, logLevel: logLevel.NOTHING })
    const plain = client.producer()
    const transactional = client.producer({
      transactionalId: uniqueName('tx'),
      idempotent: true,
      maxInFlightRequests: 1,
    })
    for (const producer of [plain, transactional]) {
      await producer.connect()
      onTestFinished(() => producer.disconnect())
    }
    await plain.send({
      topic,
      compression: CompressionTypes.GZIP,
      messages: [{ value: 'gzip 1' }, { value: 'gzip 2' }],
    })
    for (const outcome of ['commit', 'abort', 'commit'] as const) {
      const transaction = await transactional.transaction()
      await transaction.send({ topic, messages: [{ value: `${outcome} 1` }, { value: `${outcome} 2` }] })
      await transaction[outcome]()
    }
    await plain.send({ topic, messages: [{ value: 'last' }] })
    const { seen, handler: all } = collector()
    const subscription = await transport.subscribe({ ...limits, group, topics: [topic] }, all)
    await until(() => seen.includes('last'), { what: 'the last record' })
    expect(seen).toEqual(['gzip 1', 'gzip 2', 'commit 1', 'commit 2', 'commit 1', 'commit 2', 'last'])
    await subscription.stop({ deadlineMs: 1000 })
    const admin = await adminOf(brokers)
    const [lag] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    expect(lag?.partitions[0]?.offset).toBe((await admin.fetchTopicOffsets(topic))[0]?.high)
  })

  it('fetches a record that is larger than a fetch', async () => {
    const { transport, topic, group } = await setUp(2, { maxFetchBytes: 2000 })
    const large = 'x'.repeat(300_000)
    for (const partition of [0, 1]) {
      await transport.publish(['before', large, 'after'].map((value) => record(topic, value, partition)))
    }
    const { seen, handler: all } = collector()
    await transport.subscribe({ ...limits, group, topics: [topic] }, all)
    await until(() => seen.length === 6, { what: 'all records' })
    expect(seen.filter((value) => value === large)).toHaveLength(2)
  })

  it('takes partitions that a topic gained', async () => {
    const { brokers, transport, topic, group } = await setUp(1)
    const { seen, handler: all } = collector()
    await transport.subscribe({ ...limits, group, topics: [topic] }, all)
    await (await adminOf(brokers)).createPartitions({ topicPartitions: [{ topic, count: 2 }] })
    await until(async () => (await transport.publish([record(topic, 'new', 1)]))[0]?.status === 'acked', {
      what: 'an ack',
    })
    await until(() => seen.includes('new'), { what: 'the record of the new partition', deadlineMs: 40_000 })
  }, 60_000)

  it('shares a group with kafkajs, so that consumers can move from one to the other', async () => {
    const { brokers, transport, topic, group } = await setUp(2, { sessionTimeoutMs: 6000 })
    const theirs = kafkajs({ brokers, sessionTimeoutMs: 6000 })
    onTestFinished(() => theirs.close())
    const [one, two] = [collector(), collector()]
    await theirs.subscribe({ ...limits, group, topics: [topic] }, one.handler)
    const ours = await transport.subscribe({ ...limits, group, topics: [topic] }, two.handler)
    await until(() => two.assigned.at(-1)?.length === 1, { what: 'a partition each', deadlineMs: 20_000 })
    await until(() => one.assigned.at(-1)?.length === 1, { what: 'a partition each', deadlineMs: 20_000 })
    await transport.publish([record(topic, 'a', 0), record(topic, 'b', 1)])
    await until(() => one.seen.length + two.seen.length === 2, { what: 'both records' })
    expect([...one.seen, ...two.seen].sort()).toEqual(['a', 'b'])
    await ours.stop({ deadlineMs: 1000 })
  }, 60_000)

  it('joins again at once although all its connections have died without a word', async () => {
    const port = await freePort()
    const wire = await startProxy({ target: { host: '127.0.0.1', port } })
    onTestFinished(() => wire.close())
    const brokers = [`127.0.0.1:${wire.port}`]
    const server = await startKafka({ port, settings: { 'advertised.listeners': `PLAINTEXT://${brokers[0]}` } })
    onTestFinished(() => server.remove())
    const consumer = async () => {
      const transport = kafka({ brokers, sessionTimeoutMs: 6000, heartbeatIntervalMs: 200 })
      onTestFinished(() => transport.close())
      const { handler: all, assigned } = collector()
      return { transport, assigned, start: () => transport.subscribe({ ...limits, group: 'g', topics: ['t'] }, all) }
    }
    const first = await consumer()
    await first.transport.createTopic('t', 2)
    const subscription = await first.start()
    onTestFinished(() => subscription.stop({ deadlineMs: 1000 }))
    await until(() => first.assigned.length === 1, { what: 'the first assignment', deadlineMs: 20_000 })
    if (keepAliveUnknown() === undefined) {
      const asks = () => keepAliveAsksInMs('remote', wire.port).filter((each) => each !== null)
      await until(() => asks().length > 1, { what: 'connections on which TCP asks whether the broker is there' })
      expect(Math.max(...asks())).toBeLessThanOrEqual(10_000)
    }
    wire.holdBack()
    const second = await consumer()
    const other = await second.start()
    onTestFinished(() => other.stop({ deadlineMs: 1000 }))
    await until(() => first.assigned.at(-1)?.length === 1, {
      what: 'the first one to have joined again',
      deadlineMs: 30_000,
    })
  }, 60_000)

  it('logs no payload, key or header, whatever fails; and stops in time while the broker is away', async () => {
    const server = await startKafka()
    onTestFinished(() => server.remove())
    const lines: string[] = []
    const log = (fields: object, message: string) => {
      lines.push(`${message} ${JSON.stringify(fields)}`)
    }
    const logger: Logger = { debug: log, info: log, warn: log, error: log }
    const transport = kafka({ brokers: server.brokers, logger, sessionTimeoutMs: 6000, deliveryTimeoutMs: 2000 })
    await transport.createTopic('secrets', 1)
    await until(async () => (await transport.publish([record('secrets', 'secret-value')]))[0]?.status === 'acked', {
      what: 'an ack',
      deadlineMs: 30_000,
    })
    let calls = 0
    const failing = handler(async (batch) => {
      calls++
      throw new Error(`cannot do ${batch.records[0]?.value}`)
    })
    const subscription = await transport.subscribe({ ...limits, logger, group: 'g', topics: ['secrets'] }, failing)
    await until(() => calls >= 2, { what: 'redeliveries' })
    await server.kill()
    await transport.publish([record('secrets', 'secret-value')])
    await until(() => lines.some((line) => line.includes('joining the group again failed')), {
      what: 'the session to end',
      deadlineMs: 60_000,
    })
    const started = performance.now()
    await subscription.stop({ deadlineMs: 1000 })
    expect(performance.now() - started).toBeLessThan(15_000)
    await transport.close()
    expect(lines.filter((line) => line.includes('secret-'))).toEqual([])
  }, 120_000)
})
