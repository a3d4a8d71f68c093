import type { Logger } from '@oncebox/core'
import { type KafkaOptions, kafka } from '@oncebox/kafka'
import { freePort, type KafkaServer, startKafka, startProxy, until } from '@oncebox/testkit'
import { kafkaMissing, uniqueName } from '@oncebox/testkit/harness'
import type { OutgoingRecord, PublishOutcome } from '@oncebox/transport'
import kafkaClient from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Cluster } from '../src/cluster.js'
import { Connections } from '../src/connections.js'
import { resolveSettings } from '../src/options.js'
import { produceRequest } from '../src/produceRequest.js'
import { KafkaPublisher } from '../src/publisher.js'
import { writeRecordBatch } from '../src/recordBatch.js'
import { RecordWriter } from '../src/recordWriter.js'
import { PartitionSequences } from '../src/sequences.js'
import { exchange, type FaultProxy, type ProduceFault, startFaultProxy } from './produceFaults.js'

const { Kafka, logLevel } = kafkaClient
const missing = await kafkaMissing()
const serverMs = 120_000

const record = (topic: string, value: string | Buffer, key = 'k', partition = 0): OutgoingRecord => ({
  topic,
  partition,
  key: Buffer.from(key),
  value: Buffer.from(value),
  headers: [['secret-header', 'secret-header-value']],
})
const statuses = (outcomes: readonly PublishOutcome[]) => new Set(outcomes.map((outcome) => outcome.status))
const range = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `${from + n}`)

describe.skipIf(missing !== undefined)('publishing to a real Kafka through faults', () => {
  let server: KafkaServer
  let proxy: FaultProxy

  beforeAll(async () => {
    const port = await freePort()
    proxy = await startFaultProxy(port)
    // Clients that ask where the leader is are sent to the proxy.
    const settings = { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.port}` }
    server = await startKafka({ port, settings })
  }, serverMs)
  afterAll(async () => {
    await proxy?.close()
    await server?.remove()
  }, serverMs)

  async function setUp(options: Partial<KafkaOptions> = {}) {
    const transport = kafka({ brokers: [`127.0.0.1:${proxy.port}`], deliveryTimeoutMs: 20_000, ...options })
    onTestFinished(() => transport.close())
    const topic = uniqueName('faults')
    await transport.createTopic(topic, 1)
    await transport.connect()
    proxy.faults.length = 0
    proxy.requests.length = 0
    return { transport, topic }
  }

  /** The values that a topic holds, in order, as another client reads them. */
  async function held(topic: string): Promise<string[]> {
    const client = new Kafka({ brokers: server.brokers, logLevel: logLevel.NOTHING })
    const admin = client.admin()
    await admin.connect()
    const end = Number((await admin.fetchTopicOffsets(topic))[0]?.high)
    await admin.disconnect()
    const values: string[] = []
    if (end === 0) return values
    const consumer = client.consumer({ groupId: uniqueName('g') })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const all = Promise.withResolvers<void>()
    await consumer.run({
      eachMessage: async ({ message }) => {
        values.push(String(message.value))
        if (Number(message.offset) === end - 1) all.resolve()
      },
    })
    await all.promise
    await consumer.disconnect()
    return values
  }

  it.each<ProduceFault[]>([
    ['cutBefore'],
    ['cutAfter'],
    ['cutInside'],
    ['cutAfter', 'cutBefore', 'cutInside', 'cutAfter'],
  ])('writes every record once and in order when the connection breaks (%s …)', async (...faults) => {
    const { transport, topic } = await setUp()
    for (const start of [0, 50, 100]) {
      if (start === 50) proxy.faults.push(...faults)
      const outcomes = await transport.publish(range(50, start).map((value) => record(topic, value)))
      expect(outcomes.map((outcome) => outcome.status === 'acked' && String(outcome.offset))).toEqual(range(50, start))
    }
    expect(proxy.requests.length).toBe(3 + faults.length)
    expect(await held(topic)).toEqual(range(150))
  })

  it('sends the very same bytes again after a request without an answer', async () => {
    const { transport, topic } = await setUp()
    proxy.faults.push('cutAfter', 'cutInside')
    await transport.publish([record(topic, '1'), record(topic, '2')])
    // Behind the length, key, version and correlation id, which differ by request.
    const bodies = new Set(
      proxy.requests.map((frame) =>
        frame
          .subarray(12)
          .toString('latin1')
          .replace(/^.*?oncebox/s, ''),
      ),
    )
    expect(proxy.requests).toHaveLength(3)
    const batches = [...bodies].map((body) => body.slice(body.indexOf(topic)))
    expect(new Set(batches).size).toBe(1)
  })

  it('fences by the next epoch a request that arrives after its records were published anew', async () => {
    const { transport, topic } = await setUp({ deliveryTimeoutMs: 4000 })
    await transport.publish([record(topic, '0')])
    proxy.faults.push('late', ...Array.from({ length: 40 }, () => 'cutBefore' as const))
    const given = ['1', '2', '3'].map((value) => record(topic, value))
    expect(statuses(await transport.publish(given))).toEqual(new Set(['failed']))
    proxy.faults.length = 0
    for (const each of given) expect((await transport.publish([each]))[0]?.status).toBe('acked')
    const answer = await proxy.deliverLate()
    expect(errorCodeIn(answer)).toBe(47)
    expect(await held(topic)).toEqual(range(4))
  })

  it('goes on past 2^31 - 1 with its sequence numbers, also when an answer is lost there', async () => {
    const { topic } = await setUp()
    const settings = resolveSettings({ brokers: [`127.0.0.1:${proxy.port}`], deliveryTimeoutMs: 20_000 })
    const connections = new Connections('oncebox', settings.connection)
    onTestFinished(() => connections.close())
    const near = (id: bigint, epoch: number) => new PartitionSequences(id, epoch, { firstSequence: 2 ** 31 - 25 })
    const publisher = new KafkaPublisher(settings, new Cluster(connections, settings.bootstrap, 8_000), near)
    for (const start of [0, 10, 20, 30]) {
      if (start >= 20) proxy.faults.push('cutAfter')
      const outcomes = await publisher.publish(range(10, start).map((value) => record(topic, value)))
      expect(outcomes.map((outcome) => outcome.status === 'acked' && String(outcome.offset))).toEqual(range(10, start))
    }
    await publisher.close()
    expect(await held(topic)).toEqual(range(40))
  })

  it('fails what got no answer within the delivery timeout, and goes on afterwards', async () => {
    const { transport, topic } = await setUp({ deliveryTimeoutMs: 4000 })
    proxy.faults.push(...Array.from({ length: 20 }, () => 'swallow' as const))
    const started = performance.now()
    const outcomes = await transport.publish([record(topic, '1')])
    expect(outcomes).toEqual([expect.objectContaining({ status: 'failed', code: 'TRANSPORT_UNREACHABLE' })])
    expect(performance.now() - started).toBeLessThan(15_000)
    proxy.faults.length = 0
    expect(await transport.publish([record(topic, '1')])).toEqual([expect.objectContaining({ status: 'acked' })])
    expect(await held(topic)).toEqual(['1'])
  })

  it('survives a connection that is half-open, and latency', async () => {
    const slow = await startProxy({ target: { host: '127.0.0.1', port: server.port } })
    onTestFinished(() => slow.close())
    const { transport, topic } = await setUp({ brokers: [`127.0.0.1:${slow.port}`], deliveryTimeoutMs: 2000 })
    slow.delayMs = 150
    expect(statuses(await transport.publish([record(topic, '1')]))).toEqual(new Set(['acked']))
    expect(await transport.partitions(topic)).toBe(1)
    slow.delayMs = 0
    slow.pause()
    // The tests behind it need the broker, too, when this one fails.
    onTestFinished(() => server.resume())
    await server.pause()
    const started = performance.now()
    expect(statuses(await transport.publish([record(topic, '2')]))).toEqual(new Set(['failed']))
    await expect(transport.partitions(topic)).rejects.toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
    expect(performance.now() - started).toBeLessThan(20_000)
    server.resume()
    slow.resume()
    await until(async () => (await transport.publish([record(topic, '2')]))[0]?.status === 'acked', { what: 'an ack' })
  }, 60_000)

  it('refuses alone what is too large, keeps the order behind it, and splits under the same epoch', async () => {
    const { transport, topic } = await setUp()
    const records = range(30).map((value) => record(topic, value, `k${Number(value) % 3}`))
    records[10] = record(topic, Buffer.alloc(1_500_000), 'k1')
    const outcomes = await transport.publish(records)
    const wanted = range(30).map((value) => {
      const n = Number(value)
      return n === 10 ? 'refused' : n > 10 && n % 3 === 1 ? 'held' : 'acked'
    })
    expect(outcomes.map((outcome) => outcome.status)).toEqual(wanted)
    expect(await held(topic)).toEqual(range(30).filter((_, n) => wanted[n] === 'acked'))
  })

  it('refuses a topic that was deleted, goes on with the others, and heals when it is there again', async () => {
    const { transport, topic } = await setUp()
    const deleted = uniqueName('deleted')
    await transport.createTopic(deleted, 1)
    await transport.publish([record(deleted, '1'), record(topic, '1')])
    const admin = new Kafka({ brokers: server.brokers, logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [deleted] })
    await admin.disconnect()
    await until(async () => (await transport.partitions(deleted)) === null, { what: 'the topic to go' })
    const outcomes = await transport.publish([record(deleted, '2'), record(topic, '2'), record(deleted, '3')])
    expect(outcomes).toMatchObject([
      { status: 'refused', code: 'TOPIC_MISSING' },
      { status: 'acked' },
      { status: 'held' },
    ])
    await transport.createTopic(deleted, 1)
    expect(statuses(await transport.publish([record(deleted, '2')]))).toEqual(new Set(['acked']))
    expect(await held(deleted)).toEqual(['2'])
  })

  it('fails records for a partition that the topic does not have', async () => {
    const { transport, topic } = await setUp()
    const outcomes = await transport.publish([record(topic, '1', 'a', 9), record(topic, '2', 'b')])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['failed', 'acked'])
  })

  it('logs no payload, key, header or address with a secret, whatever fails', async () => {
    const lines: string[] = []
    const log = (fields: object, message: string) => {
      lines.push(`${message} ${JSON.stringify(fields)}`)
    }
    const logger: Logger = { debug: log, info: log, warn: log, error: log }
    const { transport, topic } = await setUp({ logger, deliveryTimeoutMs: 1000 })
    proxy.faults.push('cutAfter', 'cutInside', 'cutBefore')
    await transport.publish([record(topic, 'secret-value', 'secret-key')])
    await transport.publish([record(topic, 'secret-value'.repeat(200_000), 'secret-key')])
    expect(lines.length).toBeGreaterThan(0)
    expect(lines.filter((line) => line.includes('secret'))).toEqual([])
  })

  it('loses nothing, swaps nothing, and writes twice only what it called failed, over a restart of the broker', async () => {
    const { transport, topic } = await setUp({ deliveryTimeoutMs: 3000 })
    const failed = new Set<string>()
    let next = 0
    let restarted: Promise<void> | undefined
    while (next < 400) {
      if (next === 200) restarted ??= server.kill().then(() => server.start())
      const values = range(20, next)
      const outcomes = await transport.publish(values.map((value) => record(topic, value)))
      if (outcomes.every((outcome) => outcome.status === 'acked')) next += 20
      else for (const value of values) failed.add(value)
    }
    await restarted
    const all = await held(topic)
    expect(all.filter((value, at) => all.indexOf(value) === at)).toEqual(range(400))
    const twice = all.filter((value, at) => all.indexOf(value) !== at)
    expect(twice.filter((value) => !failed.has(value))).toEqual([])
  }, 120_000)

  describe("the broker's rules that all this rests on", () => {
    async function producer(topic: string) {
      const connections = new Connections('rules', {})
      onTestFinished(() => connections.close())
      const { initProducerIdV4 } = await import('@platformatic/kafka')
      const connection = await connections.get({ host: '127.0.0.1', port: server.port })
      const newId = async () => (await initProducerIdV4.api.async(connection, null, 10_000, -1n, -1)).producerId
      const send = async (
        producerId: bigint,
        producerEpoch: number,
        baseSequence: number,
        values: readonly string[],
      ) => {
        const out = new RecordWriter(1024)
        const records = values.map((value) => record(topic, value))
        const stamp = { producerId, producerEpoch, baseSequence }
        const indexes = records.map((_, index) => index)
        writeRecordBatch(out, { records, indexes, timestampMs: Date.now(), stamp, compression: 'none' })
        const bytes = out.buffer.subarray(0, out.position)
        const body = produceRequest([{ topic, partition: 0, bytes }], 10_000).buffer
        const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 0x74, 0])
        head.writeInt32BE(head.length - 4 + body.length)
        return errorCodeIn(await exchange(server.port, Buffer.concat([head, body])))
      }
      return { newId, send }
    }

    it('a sequence range that was seen is acked and not written, whatever it holds', async () => {
      const { topic } = await setUp()
      const { newId, send } = await producer(topic)
      const id = await newId()
      expect(await send(id, 0, 0, ['a', 'b'])).toBe(0)
      expect(await send(id, 0, 0, ['x', 'y'])).toBe(0)
      expect(await held(topic)).toEqual(['a', 'b'])
    })

    it('a range that was seen is out of order when it is split or extended', async () => {
      const { topic } = await setUp()
      const { newId, send } = await producer(topic)
      const id = await newId()
      expect(await send(id, 0, 0, ['a', 'b'])).toBe(0)
      expect(await send(id, 0, 0, ['a'])).toBe(45)
      expect(await send(id, 0, 0, ['a', 'b', 'c'])).toBe(45)
      expect(await held(topic)).toEqual(['a', 'b'])
    })

    it('the next epoch begins at 0 and fences the one before; a new producer id fences nothing', async () => {
      const { topic } = await setUp()
      const { newId, send } = await producer(topic)
      const id = await newId()
      expect(await send(id, 0, 0, ['a'])).toBe(0)
      expect(await send(id, 1, 0, ['b'])).toBe(0)
      expect(await send(id, 0, 1, ['late'])).toBe(47)
      expect(await send(await newId(), 0, 0, ['c'])).toBe(0)
      expect(await send(id, 1, 1, ['late'])).toBe(0)
      expect(await held(topic)).toEqual(['a', 'b', 'c', 'late'])
    })
  })
})

/** The error code of the one partition in a Produce response of version 9. */
function errorCodeIn(frame: Buffer): number {
  // Length, correlation id, no tagged fields, one topic, its name, one partition, its number.
  const name = frame[10] as number
  return frame.readInt16BE(11 + name - 1 + 1 + 4)
}
