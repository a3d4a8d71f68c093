import { createRequire } from 'node:module'
import type { WireRecord } from '@oncebox/core'
import { kafka } from '@oncebox/kafka'
import { kafkaMissing, kafkaTool, testKafka, uniqueName } from '@oncebox/testkit/harness'
import { headerBytes, type OutgoingRecord } from '@oncebox/transport'
import { Consumer } from '@platformatic/kafka'
import fc from 'fast-check'
import kafkaClient from 'kafkajs'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { noProducer, writeRecordBatch } from '../src/recordBatch.js'
import { RecordBatchReader } from '../src/recordBatchReader.js'
import { RecordWriter } from '../src/recordWriter.js'

const { Kafka, logLevel } = kafkaClient
const missing = await kafkaMissing()
const place = { topic: 't', partition: 0 }

type Content = Pick<OutgoingRecord, 'key' | 'value' | 'headers'>

const record = ({ key, value, headers }: Content): OutgoingRecord => ({ ...place, key, value, headers })
const hex = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('hex'))
const text = (each: Content | WireRecord) => ({
  key: hex(each.key),
  value: hex(each.value),
  headers: each.headers.map(([name, value]) => [name, hex(typeof value === 'string' ? Buffer.from(value) : value)]),
})

function encode(
  contents: readonly Content[],
  options: { compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'; timestampMs?: number } = {},
): Buffer {
  const out = new RecordWriter(8)
  const records = contents.map(record)
  const indexes = records.map((_, index) => index)
  const { compression = 'none', timestampMs = 1_700_000_000_123 } = options
  writeRecordBatch(out, { records, indexes, timestampMs, stamp: noProducer, compression })
  return Buffer.from(out.buffer.subarray(0, out.position))
}

function decode(bytes: Buffer) {
  const batch = new RecordBatchReader(place, bytes, { from: 0, aborted: [] }).next()
  if (batch === null) throw new Error('no whole batch')
  return batch
}

const bytes = fc.uint8Array({ maxLength: 80 })
const textOrBytes = fc.oneof(bytes, fc.string({ unit: 'binary', maxLength: 40 }))
const header = fc.tuple(fc.string({ unit: 'grapheme', maxLength: 70 }), textOrBytes)
const frozen = header.map((each) => Object.freeze(each))
const content: fc.Arbitrary<Content> = fc.record({
  key: fc.option(bytes),
  value: fc.option(
    fc.oneof(
      { weight: 20, arbitrary: bytes },
      { weight: 1, arbitrary: fc.uint8Array({ minLength: 8200, maxLength: 9000 }) },
    ),
  ),
  headers: fc.array(fc.oneof(header, frozen), { maxLength: 4 }),
})

describe('record batches', () => {
  it('come back from our own decoder as they were, 10,000 of them', () => {
    const shared = Object.freeze(['ce_type', 'order.created'] as const)
    fc.assert(
      fc.property(fc.array(content, { minLength: 1, maxLength: 6 }), (contents) => {
        const all = contents.map((each) => ({ ...each, headers: [shared, ...each.headers, shared] }))
        const { records, nextOffset } = decode(encode(all))
        expect(records.map(text)).toEqual(all.map(text))
        expect(nextOffset).toBe(all.length)
        expect(records.map((each) => each.offset)).toEqual(all.map((_, index) => String(index)))
        expect(records[0]?.timestamp).toBe(1_700_000_000_123)
      }),
      { numRuns: 10_000 },
    )
  })

  it('are the same in a buffer of any size, also one that ends where the batch does', () => {
    const shared = ['a', 'b', 'c', 'd'].map((name) => Object.freeze([name, 'v'.repeat(30)] as const))
    const records = [record({ key: null, value: Buffer.alloc(9000, 'x'), headers: shared })]
    const parts = { records, indexes: [0], timestampMs: 1, stamp: noProducer, compression: 'none' } as const
    const written = (initialBytes: number) => {
      const out = new RecordWriter(initialBytes)
      writeRecordBatch(out, parts)
      return Buffer.from(out.buffer.subarray(0, out.position))
    }
    const wanted = written(100_000)
    for (let size = wanted.length - 80; size < wanted.length + 80; size++) expect(written(size)).toEqual(wanted)
  })

  it("come back from kafkajs's decoder as they were", async () => {
    const require = createRequire(import.meta.url)
    const Decoder = require('kafkajs/src/protocol/decoder.js')
    const decodeBatch = require('kafkajs/src/protocol/recordBatch/v0/decoder.js')
    await fc.assert(
      fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 6 }), async (contents) => {
        // kafkajs keeps headers in an object, so names that repeat or that every object has are left to other tests.
        const all = contents.map((each) => ({
          ...each,
          headers: each.headers.filter(
            ([name], at) => !(name in {}) && each.headers.findIndex(([n]) => n === name) === at,
          ),
        }))
        const { records } = await decodeBatch(new Decoder(encode(all)))
        const theirs = records.map((each: { key: Buffer; value: Buffer; headers: Record<string, Buffer> }) => ({
          key: hex(each.key),
          value: hex(each.value),
          headers: Object.fromEntries(Object.entries(each.headers).map(([name, value]) => [name, hex(value)])),
        }))
        expect(theirs).toEqual(all.map((each) => ({ ...text(each), headers: Object.fromEntries(text(each).headers) })))
      }),
      { numRuns: 500 },
    )
  })

  it.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)('come back from %s', (compression) => {
    const contents = fc.sample(content, 200)
    const { records } = decode(encode(contents, { compression }))
    expect(records.map(text)).toEqual(contents.map(text))
  })

  it('are refused when a byte was changed, and left alone when they are cut off', () => {
    const whole = encode(fc.sample(content, 5))
    for (const at of [21, 40, whole.length - 1]) {
      const damaged = Buffer.from(whole)
      damaged[at] = (damaged[at] as number) ^ 1
      expect(() => decode(damaged)).toThrow('checksum')
    }
    for (const length of [0, 60, whole.length - 1]) {
      expect(new RecordBatchReader(place, whole.subarray(0, length), { from: 0, aborted: [] }).next()).toBeNull()
    }
  })

  it('leave out what lies before the wanted offset', () => {
    const contents = ['a', 'b', 'c'].map((value) => ({ key: null, value: Buffer.from(value), headers: [] }))
    const batch = new RecordBatchReader(place, encode(contents), { from: 2, aborted: [] }).next()
    expect(batch?.records.map((each) => String(each.value))).toEqual(['c'])
    expect(batch?.nextOffset).toBe(3)
  })
})

describe.skipIf(missing !== undefined)('records on a real Kafka', () => {
  beforeAll(testKafka, 120_000)

  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const contents: Content[] = [
    { key: everyByte, value: everyByte, headers: [['bytes', everyByte]] },
    { key: null, value: Buffer.from('null key'), headers: [] },
    { key: Buffer.alloc(0), value: Buffer.alloc(0), headers: [['empty', '']] },
    { key: Buffer.from('tombstone'), value: null, headers: [] },
    { key: null, value: null, headers: [['ü ✓', 'ü ✓']] },
    { key: Buffer.from('long'), value: Buffer.alloc(20_000, 'x'), headers: [['n'.repeat(200), 'v'.repeat(9000)]] },
  ]

  async function published(compression: 'none' | 'lz4' = 'none') {
    const { brokers } = await testKafka()
    const transport = kafka({ brokers, compression })
    onTestFinished(() => transport.close())
    const topic = uniqueName('encoder')
    await transport.createTopic(topic, 1)
    const outcomes = await transport.publish(contents.map((each) => ({ ...each, topic, partition: 0 })))
    expect(outcomes.map((outcome) => outcome.status)).toEqual(contents.map(() => 'acked'))
    return { brokers, topic }
  }

  it.each(['none', 'lz4'] as const)('are read by kafkajs (compression %s)', async (compression) => {
    const { brokers, topic } = await published(compression)
    // kafkajs knows no LZ4 by itself.
    if (compression === 'lz4') {
      const { compressionsAlgorithms } = await import('@platformatic/kafka')
      const codec = {
        compress: async () => Buffer.alloc(0),
        decompress: async (data: Buffer) => compressionsAlgorithms.lz4.decompressSync(data),
      }
      kafkaClient.CompressionCodecs[kafkaClient.CompressionTypes.LZ4] = () => codec
    }
    const consumer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).consumer({ groupId: uniqueName('g') })
    onTestFinished(() => consumer.disconnect())
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const seen: object[] = []
    const all = Promise.withResolvers<void>()
    await consumer.run({
      eachMessage: async ({ message }) => {
        const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, hex(value as Buffer)])
        seen.push({ key: hex(message.key), value: hex(message.value), headers })
        if (seen.length === contents.length) all.resolve()
      },
    })
    await all.promise
    expect(seen).toEqual(contents.map(text))
  })

  it('are read by @platformatic/kafka', async () => {
    const { brokers, topic } = await published()
    const consumer = new Consumer({ groupId: uniqueName('g'), clientId: 'test', bootstrapBrokers: brokers })
    onTestFinished(() => consumer.close(true))
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false })
    const seen: object[] = []
    for await (const message of stream) {
      const headers = Array.from(message.headers, ([name, value]) => [String(name), hex(value)])
      // The library hands out undefined for null.
      seen.push({ key: hex(message.key ?? null), value: hex(message.value ?? null), headers })
      if (seen.length === contents.length) break
    }
    expect(seen).toEqual(contents.map(text))
  })

  it("are read by Java's console consumer", async () => {
    const { brokers, topic } = await published()
    const { stdout, exitCode } = await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--bootstrap-server', brokers.join(','), '--topic', topic, '--from-beginning'],
      ...['--max-messages', String(contents.length), '--timeout-ms', '60000'],
      ...['--property', 'print.key=true', '--property', 'print.value=true', '--property', 'print.headers=true'],
      ...['--property', 'print.offset=true', '--property', 'null.literal=NULL'],
      ...['--property', 'key.separator=|', '--property', 'line.separator=\n=====\n'],
      ...['--property', 'key.deserializer=org.apache.kafka.common.serialization.BytesDeserializer'],
      ...['--property', 'value.deserializer=org.apache.kafka.common.serialization.BytesDeserializer'],
      ...['--property', 'headers.deserializer=org.apache.kafka.common.serialization.BytesDeserializer'],
    ])
    expect(exitCode).toBe(0)
    // Kafka's Bytes prints what is printable as it is, and the rest as \xNN.
    const bytesText = (value: Uint8Array | null) =>
      value === null
        ? 'NULL'
        : Array.from(value, (byte) =>
            byte >= 0x20 && byte <= 0x7e && byte !== 0x5c
              ? String.fromCharCode(byte)
              : `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`,
          ).join('')
    const lines = stdout.split('\n=====\n').slice(0, contents.length)
    contents.forEach((each, offset) => {
      const headers = headerBytes(each.headers).map(([name, value]) => `${name}:${bytesText(value)}`)
      expect(lines[offset]).toBe(
        `Offset:${offset}|${headers.join(',') || 'NO_HEADERS'}|${bytesText(each.key)}|${bytesText(each.value)}`,
      )
    })
  })
})
