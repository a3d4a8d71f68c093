import { kafkajs, kafkajsInspector } from '@oncebox/kafkajs'
import { consumerLag, type ProblemCode } from '@oncebox/ops'
import { kafkaMissing, type TestDatabase, testKafka, uniqueName } from '@oncebox/testkit/harness'
import type { Inspector } from '@oncebox/transport'
import kafkaClient, { type Admin } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { asOperator, migratedDatabase } from '../prepared.js'
import { examine, findings } from './examined.js'

const { Kafka, logLevel } = kafkaClient

describe.skipIf(await kafkaMissing())('doctor and lag ask a real Kafka', () => {
  let database: TestDatabase
  let brokers: string[]
  let admin: Admin
  let inspector: Inspector

  beforeAll(async () => {
    brokers = (await testKafka()).brokers
    admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    database = await migratedDatabase(18)
  }, 120_000)
  afterAll(async () => {
    await inspector?.close()
    await admin?.disconnect()
    await database?.drop()
  })

  const createTopic = async (settings: Record<string, string> = {}): Promise<string> => {
    const topic = uniqueName('topic')
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
    await admin.createTopics({ topics: [{ topic, numPartitions: 2, replicationFactor: 1, configEntries }] })
    // kafkajs remembers; a command asks once.
    await inspector?.close()
    inspector = kafkajsInspector({ brokers })
    return topic
  }
  const write = (topic: string, bytes = 1) =>
    database.pool.query(
      `INSERT INTO oncebox.outbox (id, source, topic, type, payload) VALUES (gen_random_uuid(), 's', $1, 'y', decode(repeat('00', $2), 'hex'))`,
      [topic, bytes],
    )
  const about = async (code: ProblemCode, topic: string) =>
    (await findings(asOperator(database), code, { inspector })).filter(({ what }) => what.includes(topic))

  test('a topic that messages are written for and that does not exist', async () => {
    const existing = await createTopic()
    const missing = uniqueName('missing')
    const once = uniqueName('once')
    for (const topic of [existing, missing]) await write(topic)
    await database.pool.query('INSERT INTO oncebox.pinned_topic (topic, partitions) VALUES ($1, 3)', [once])
    expect(await about('TOPIC_MISSING', existing)).toEqual([])
    expect(await about('TOPIC_MISSING', missing)).toMatchObject([
      { severity: 'problem', next: expect.stringContaining(`--topic ${missing}`) },
    ])
    expect(await about('TOPIC_MISSING', once)).toMatchObject([{ severity: 'advice' }])
  })

  test('a topic with more partitions than its keys are spread over', async () => {
    const [same, grown] = [await createTopic(), await createTopic()]
    for (const [topic, partitions] of [
      [same, 2],
      [grown, 1],
    ]) {
      await database.pool.query('INSERT INTO oncebox.pinned_topic (topic, partitions) VALUES ($1, $2)', [
        topic,
        partitions,
      ])
    }
    expect(await about('TOPIC_GROWN', same)).toEqual([])
    expect(await about('TOPIC_GROWN', grown)).toMatchObject([
      {
        severity: 'advice',
        what: expect.stringContaining('has 2 partitions, and its keys are spread over 1: 1 partition without keys'),
        next: expect.stringContaining(`oncebox topics repin ${grown} --yes`),
      },
    ])
  })

  test('acks of all replicas that are worth little: one replica, and more of them wanted than there are', async () => {
    const wanting = await createTopic({ 'min.insync.replicas': '2' })
    const single = await createTopic()
    for (const topic of [wanting, single]) await write(topic)
    expect(await about('ACKS_WEAK', wanting)).toMatchObject([
      { severity: 'problem', what: expect.stringContaining('wants 2 replicas in sync and has 1') },
    ])
    expect(await about('ACKS_WEAK', single)).toMatchObject([{ severity: 'advice' }])
  })

  test('a waiting message that its topic does not take', async () => {
    const topic = await createTopic({ 'max.message.bytes': '2000' })
    await write(topic, 1_500)
    expect(await about('MESSAGE_TOO_LARGE', topic)).toEqual([])
    await write(topic, 5_000)
    expect(await about('MESSAGE_TOO_LARGE', topic)).toMatchObject([
      {
        what: expect.stringMatching(/waits with 5000 bytes, and topic ".*" takes 2000/),
        next: expect.stringContaining('max.message.bytes='),
      },
    ])
  })

  test('a topic that keeps records for longer than its groups remember ids', async () => {
    const [longer, compacted, shorter] = [
      await createTopic({ 'retention.ms': String(8 * 86_400_000) }),
      await createTopic({ 'cleanup.policy': 'compact' }),
      await createTopic({ 'retention.ms': String(6 * 86_400_000) }),
    ]
    for (const topic of [longer, compacted, shorter]) {
      await database.pool.query(
        `INSERT INTO oncebox.consumer_offset (consumer, topic, partition, next_offset) VALUES ('billing', $1, 0, 0)`,
        [topic],
      )
    }
    expect((await about('RETENTION_PAST_HORIZON', longer))[0]?.what).toContain(
      'keeps records for 8 d, and group "billing" remembers ids for 7 d',
    )
    expect((await about('RETENTION_PAST_HORIZON', compacted))[0]?.what).toContain('for ever')
    expect(await about('RETENTION_PAST_HORIZON', shorter)).toEqual([])
  })

  test('brokers that do not answer are one problem, and the checks that need them are skipped', async () => {
    const nobody = kafkajsInspector({ brokers: ['127.0.0.1:1'], connectionTimeoutMs: 500 })
    onTestFinished(() => nobody.close())
    const reports = await examine(asOperator(database), { inspector: nobody })
    expect(reports.find(({ check }) => check === 'Kafka answers')?.findings).toMatchObject([
      { code: 'KAFKA_UNREACHABLE' },
    ])
    expect(reports.filter(({ reason }) => reason === 'Kafka does not answer')).toHaveLength(5)
  })

  test('lag of a group: in messages, and in seconds since the first unread record was published', async () => {
    const topic = await createTopic()
    const transport = kafkajs({ brokers })
    onTestFinished(() => transport.close())
    const publish = (partition: number, count: number) =>
      transport.publish(
        Array.from({ length: count }, () => ({ topic, partition, key: null, value: Buffer.from('x'), headers: [] })),
      )
    await publish(0, 3)
    await publish(1, 4)
    const place = (partition: number, next: number) =>
      database.pool.query(
        `INSERT INTO oncebox.consumer_offset (consumer, topic, partition, next_offset) VALUES ('lagging', $1, $2, $3)`,
        [topic, partition, next],
      )
    await place(0, 3)
    await place(1, 0)
    const own = async (now: () => number, asking: Inspector | null = inspector) =>
      (await consumerLag(asOperator(database), { inspector: asking, now })).filter(({ group }) => group === 'lagging')
    // As somebody an hour later would see it.
    const later = Date.now() + 3_600_000
    const [read, unread] = await own(() => later)
    expect(read).toEqual({
      group: 'lagging',
      topic,
      partition: 0,
      nextOffset: '3',
      endOffset: '3',
      messages: 0,
      seconds: null,
    })
    expect(unread).toMatchObject({ partition: 1, nextOffset: '0', endOffset: '4', messages: 4 })
    expect(unread?.seconds).toBeGreaterThan(3_590)
    expect(unread?.seconds).toBeLessThan(3_660)
    expect((await own(Date.now, null))[1]).toMatchObject({ endOffset: null, messages: null, seconds: null })
  })
})
