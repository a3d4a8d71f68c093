import type { Logger } from '@oncebox/core'
import { silentLogger } from '@oncebox/core'
import { kafkajs } from '@oncebox/kafkajs'
import { startKafka, until } from '@oncebox/testkit'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import type { BatchHandler, OutgoingRecord } from '@oncebox/transport'
import kafkaClient from 'kafkajs'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'

const { Kafka, logLevel } = kafkaClient
const missing = await kafkaMissing()
const brokerStartMs = 120_000
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

async function setUp(partitions: number, settings: { sessionTimeoutMs?: number; rebalanceTimeoutMs?: number } = {}) {
  const { brokers } = await testKafka()
  const transport = kafkajs({ brokers, ...settings })
  onTestFinished(() => transport.close())
  const topic = uniqueName('subscriber')
  await transport.createTopic(topic, partitions)
  return { brokers, transport, topic, group: uniqueName('group') }
}

describe.skipIf(missing !== undefined)('subscribing to a real Kafka', () => {
  beforeAll(testKafka, brokerStartMs)

  it("commits to Kafka, for everyone's lag tools, the offset after the last record done", async () => {
    const { brokers, transport, topic, group } = await setUp(1)
    await transport.publish([record(topic, '1'), record(topic, '2'), record(topic, '3')])
    let calls = 0
    await transport.subscribe(
      { ...limits, group, topics: [topic] },
      handler(async () => (calls++ === 0 ? { done: 2, retryAfterMs: 60_000 } : { done: 0, retryAfterMs: 60_000 })),
    )
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    onTestFinished(() => admin.disconnect())
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
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    onTestFinished(() => admin.disconnect())
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
    const refused: string[] = []
    const logger: Logger = { ...silentLogger, warn: (_, message) => void refused.push(message) }
    const { transport, topic, group } = await setUp(2, { sessionTimeoutMs: 6000 })
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
    await transport.subscribe({ ...limits, logger, group, topics: [topic] }, first)
    await until(() => seen.length === 2, { what: 'both batches to run' })
    const second = handler(async (batch) => {
      seen.push(...values(batch))
      return { done: batch.records.length }
    })
    let joined = false
    const joining = transport.subscribe({ ...limits, group, topics: [topic] }, second).then(() => {
      joined = true
    })
    await until(() => refused.some((message) => message.startsWith('Response Heartbeat')), {
      what: 'a heartbeat to tell the first member of the rebalance',
    })
    expect(joined).toBe(false)
    finish.resolve()
    await joining
    await transport.publish([record(topic, 'c', 0), record(topic, 'd', 1)])
    await until(() => seen.length >= 4, { what: 'the new records' })
    expect(seen.sort()).toEqual(['a', 'b', 'c', 'd'])
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
    // Joins and leaves: the partition is taken over anew in between, by whichever of the two.
    const idle = uniqueName('idle')
    await transport.createTopic(idle, 1)
    const other = await transport.subscribe({ ...limits, group, topics: [idle] }, pausing)
    await other.stop({ deadlineMs: 1000 })
    await until(() => at.length === 2, { what: 'the second delivery' })
    expect((at[1] as number) - (at[0] as number)).toBeGreaterThanOrEqual(3990)
  })

  it('refuses a second subscription of a group on one client, whose offsets kafkajs would mix up', async () => {
    const { brokers, topic, group } = await setUp(1)
    const client = new Kafka({ brokers, logLevel: logLevel.NOTHING })
    const [one, two] = [kafkajs({ client }), kafkajs({ client })]
    onTestFinished(async () => {
      await one.close()
      await two.close()
    })
    const all = handler(async (batch) => ({ done: batch.records.length }))
    const subscription = await one.subscribe({ ...limits, group, topics: [topic] }, all)
    const again = () => two.subscribe({ ...limits, group, topics: [topic] }, all)
    await expect(again()).rejects.toMatchObject({ code: 'INVALID_SETTING' })
    await subscription.stop({ deadlineMs: 1000 })
    await (await again()).stop({ deadlineMs: 1000 })
  })

  it('logs no payload, key or header, whatever fails; and stops in time while the broker is away', async () => {
    const server = await startKafka()
    onTestFinished(() => server.remove())
    const lines: string[] = []
    const log = (fields: object, message: string) => {
      lines.push(`${message} ${JSON.stringify(fields)}`)
    }
    const logger: Logger = { debug: log, info: log, warn: log, error: log }
    const transport = kafkajs({ brokers: server.brokers, logger, sessionTimeoutMs: 6000 })
    await transport.createTopic('secrets', 1)
    await transport.publish([record('secrets', 'secret-value'), record('secrets', 'secret-value'.repeat(200_000))])
    let calls = 0
    const failing = handler(async (batch) => {
      calls++
      throw new Error(`cannot do ${batch.records[0]?.value}`)
    })
    const subscription = await transport.subscribe({ ...limits, logger, group: 'g', topics: ['secrets'] }, failing)
    await until(() => calls >= 2, { what: 'redeliveries' })
    await server.kill()
    await transport.publish([record('secrets', 'secret-value')])
    await until(() => lines.some((line) => line.includes('joining again')), { what: 'the crash', deadlineMs: 60_000 })
    const started = performance.now()
    await subscription.stop({ deadlineMs: 1000 })
    expect(performance.now() - started).toBeLessThan(15_000)
    await transport.close()
    expect(lines.length).toBeGreaterThan(0)
    expect(lines.filter((line) => line.includes('secret-'))).toEqual([])
  }, 120_000)
})
