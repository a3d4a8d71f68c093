import { kafkajs, kafkajsInspector } from '@oncebox/kafkajs'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import kafkaClient from 'kafkajs'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'

const { Kafka, logLevel } = kafkaClient

describe.skipIf(await kafkaMissing())('what a real Kafka says about its topics', () => {
  beforeAll(testKafka, 120_000)

  test('topics that exist, with their settings; one that does not spoils nothing', async () => {
    const { brokers } = await testKafka()
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    onTestFinished(() => admin.disconnect())
    const topic = uniqueName('inspected')
    const config = { 'min.insync.replicas': '2', 'max.message.bytes': '1234', 'retention.ms': '5678' }
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
    await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1, configEntries }] })

    const inspector = kafkajsInspector({ brokers })
    onTestFinished(() => inspector.close())
    const found = await inspector.topics([topic, uniqueName('missing'), topic])
    expect([...found.values()]).toEqual([
      { topic, partitions: 3, replicas: 1, inSync: 1, minInSync: 2, maxMessageBytes: 1234, retentionMs: 5678 },
    ])
    expect(await inspector.topics([uniqueName('missing')])).toEqual(new Map())
  })

  test('offsets now, and at a time: the first record published then or later', async () => {
    const { brokers } = await testKafka()
    const transport = kafkajs({ brokers })
    onTestFinished(() => transport.close())
    const topic = uniqueName('inspected')
    await transport.createTopic(topic, 2)
    const record = { topic, partition: 1, key: null, value: Buffer.from('x'), headers: [] }
    await transport.publish([record, record, record])

    const inspector = kafkajsInspector({ brokers })
    onTestFinished(() => inspector.close())
    expect(await inspector.offsets(topic)).toEqual(
      new Map([
        [0, { low: '0', high: '0' }],
        [1, { low: '0', high: '3' }],
      ]),
    )
    const now = Date.now()
    const at = async (timeMs: number) => Object.fromEntries(await inspector.offsetsAt(topic, timeMs))
    expect(await at(now - 3_600_000)).toEqual({ 0: '0', 1: '0' })
    expect(await at(now + 3_600_000)).toEqual({ 0: '0', 1: '3' })
  })

  test('nobody at the address is TRANSPORT_UNREACHABLE', async () => {
    const inspector = kafkajsInspector({ brokers: ['127.0.0.1:1'], connectionTimeoutMs: 500 })
    await expect(inspector.topics(['orders'])).rejects.toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
    await inspector.close()
  })
})
