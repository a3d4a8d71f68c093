import { silentLogger } from '@oncebox/core'
import { kafkajs } from '@oncebox/kafkajs'
import { startKafka, until } from '@oncebox/testkit'
import { kafkaMissing, testKafka, uniqueName } from '@oncebox/testkit/harness'
import type { OutgoingRecord } from '@oncebox/transport'
import kafkaClient, { type ProducerConfig } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

const { Kafka, logLevel } = kafkaClient
const missing = await kafkaMissing()
const brokerStartMs = 120_000

const record = (topic: string, value: string | Buffer, key: string | null = 'k'): OutgoingRecord => ({
  topic,
  partition: key === null ? null : 0,
  key: key === null ? null : Buffer.from(key),
  value: Buffer.from(value),
  headers: [['ce_type', 'test']],
})

describe('publishing to a broker that is not there', () => {
  it('fails within seconds, and connect() says why', async () => {
    const transport = kafkajs({ brokers: ['127.0.0.1:1'] })
    const started = performance.now()
    expect(await transport.publish([record('t', '1')])).toEqual([
      expect.objectContaining({ status: 'failed', code: 'TRANSPORT_UNREACHABLE' }),
    ])
    await expect(transport.connect()).rejects.toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
    await expect(transport.partitions('t')).rejects.toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
    const options = { group: 'g', topics: ['t'], maxRecords: 1, maxBytes: 1, logger: silentLogger }
    const handler = { assigned: async () => new Map(), batch: async () => ({ done: 0 }), revoked: async () => {} }
    await expect(transport.subscribe(options, handler)).rejects.toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
    expect(await transport.retentionMs('t')).toBeNull()
    expect(performance.now() - started).toBeLessThan(20_000)
    await transport.close()
  })
})

describe.skipIf(missing !== undefined)('publishing to a real Kafka', () => {
  beforeAll(testKafka, brokerStartMs)

  const warnings: string[] = []
  const onWarning = (warning: Error) => warnings.push(warning.name)
  process.on('warning', onWarning)
  afterAll(() => {
    process.off('warning', onWarning)
  })

  async function setUp(partitions = 1) {
    const { brokers } = await testKafka()
    const made: ProducerConfig[] = []
    const client = new Kafka({ brokers, logLevel: logLevel.NOTHING })
    const original = client.producer.bind(client)
    client.producer = (config = {}) => {
      made.push(config)
      return original(config)
    }
    const transport = kafkajs({ client })
    onTestFinished(() => transport.close())
    const topic = uniqueName('publisher')
    await transport.createTopic(topic, partitions)
    return { brokers, client, transport, topic, made }
  }

  it('replaces the producer after a rejected send, and never makes an idempotent one', async () => {
    const { transport, topic, made } = await setUp()
    await transport.publish([record(topic, '1')])
    await transport.publish([record(topic, '2')])
    expect(made).toHaveLength(1)
    const [refused] = await transport.publish([record(topic, Buffer.alloc(2_000_000))])
    expect(refused).toMatchObject({ status: 'refused', code: 'RECORD_TOO_LARGE' })
    expect((await transport.publish([record(topic, '3')]))[0]?.status).toBe('acked')
    expect(made).toHaveLength(2)
    for (const config of made) expect(config).toMatchObject({ idempotent: false, maxInFlightRequests: 1 })
  })

  it('fails records for a partition that the topic does not have, which kafkajs drops silently', async () => {
    const { transport, topic } = await setUp()
    const outcomes = await transport.publish([{ ...record(topic, '1', 'a'), partition: 9 }, record(topic, '2', 'b')])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['failed', 'acked'])
  })

  it('refuses alone a record that the topic does not take', async () => {
    const { client, transport } = await setUp()
    const topic = uniqueName('compacted')
    const admin = client.admin()
    await admin.connect()
    const configEntries = [{ name: 'cleanup.policy', value: 'compact' }]
    await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 1, configEntries }] })
    await admin.disconnect()
    await until(async () => (await transport.partitions(topic)) === 1, { what: 'the topic' })
    const keyless = { ...record(topic, 'no key', null), partition: 0 }
    const outcomes = await transport.publish([record(topic, '1', 'a'), keyless, record(topic, '2', 'a')])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['acked', 'refused', 'acked'])
    expect(outcomes[1]).toMatchObject({ code: 'RECORD_REFUSED' })
    expect(await transport.retentionMs(topic)).toBe(-1)
  })

  it('writes nothing in the name of a topic that was deleted, and goes on with the others', async () => {
    const { client, transport, topic } = await setUp()
    const deleted = uniqueName('deleted')
    await transport.createTopic(deleted, 1)
    await transport.publish([record(deleted, '1'), record(topic, '1')])
    const admin = client.admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [deleted] })
    await admin.disconnect()
    await until(async () => (await transport.partitions(deleted)) === null, { what: 'the topic to go' })
    const outcomes = await transport.publish([record(deleted, '2'), record(topic, '2')])
    expect(outcomes[0]).toMatchObject({ status: 'refused', code: 'TOPIC_MISSING' })
    expect(outcomes[1]).toMatchObject({ status: 'acked' })
  })

  it('makes no timer with a negative delay, of which Node 24 warns', async () => {
    const { transport, topic } = await setUp()
    for (const value of ['1', '2', '3']) await transport.publish([record(topic, value)])
    expect(warnings.filter((name) => name === 'TimeoutNegativeWarning')).toEqual([])
  })

  it('fails within the request timeout when the broker hangs, and goes on when it answers again', async () => {
    const server = await startKafka()
    onTestFinished(() => server.remove())
    const patient = kafkajs({ brokers: server.brokers })
    onTestFinished(() => patient.close())
    await patient.createTopic('hangs', 1)
    const transport = kafkajs({ brokers: server.brokers, requestTimeoutMs: 2000, connectionTimeoutMs: 1000 })
    onTestFinished(() => transport.close())
    const acked = async (value: string) => (await transport.publish([record('hangs', value)]))[0]?.status === 'acked'
    await until(() => acked('1'), { what: 'a first publish', deadlineMs: 30_000 })
    await server.pause()
    const started = performance.now()
    const [outcome] = await transport.publish([record('hangs', '2')])
    expect(outcome).toMatchObject({ status: 'failed', code: 'TRANSPORT_UNREACHABLE' })
    expect(performance.now() - started).toBeLessThan(15_000)
    server.resume()
    await until(() => acked('2'), { what: 'a publish after the broker came back', deadlineMs: 30_000 })
  }, 120_000)
})
