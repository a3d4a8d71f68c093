import type { OutgoingRecord } from '@oncebox/transport'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromClientHeaders, toClientHeaders } from '../src/headers.js'
import { notePartition, planRequests, produceRequest, requestOutcomes, splitRequest } from '../src/produceRequest.js'

const record = (topic: string, partition: number | null, bytes: number): OutgoingRecord => ({
  topic,
  partition,
  key: partition === null ? null : Buffer.from(`k${partition}`),
  value: Buffer.alloc(bytes),
  headers: [],
})

const one = fc.record({ topic: fc.constantFrom('a', 'b'), partition: fc.nat(2), bytes: fc.nat(400) })
const many = fc.array(one, { maxLength: 80 }).map((all) => all.map((r) => record(r.topic, r.partition, r.bytes)))

describe('planning requests', () => {
  it('cuts a call into consecutive requests in which no partition has more than the limit', () => {
    fc.assert(
      fc.property(many, (records) => {
        const parts = planRequests(records, 500)
        expect(parts.flat()).toEqual(records.map((_, index) => index))
        for (const part of parts) {
          const places = Map.groupBy(part, (index) => `${records[index]?.topic} ${records[index]?.partition}`)
          for (const own of places.values()) {
            const bytes = own.reduce((sum, index) => sum + (records[index]?.value?.length ?? 0), 0)
            expect(bytes <= 500 || own.length === 1).toBe(true)
          }
        }
      }),
    )
  })

  it('sends a call below the limit as one request', () => {
    expect(planRequests([record('a', 0, 100), record('b', 1, 100)], 1000)).toEqual([[0, 1]])
    expect(planRequests([], 1000)).toEqual([])
  })

  it('cuts a refused request by topic, then by partition, then into halves, keeping order in each', () => {
    const records = [record('a', 0, 1), record('b', 0, 1), record('a', 1, 1), record('a', 0, 1)]
    expect(splitRequest(records, [0, 1, 2, 3])).toEqual([[0, 2, 3], [1]])
    expect(splitRequest(records, [0, 2, 3])).toEqual([[0, 3], [2]])
    expect(splitRequest(records, [0, 3])).toEqual([[0], [3]])
  })
})

describe('the answer to a request', () => {
  it('gives each record its own offset, and fails those whose partition was not answered', () => {
    const records = [record('a', 0, 1), record('a', 7, 1), record('a', 0, 1), record('b', 0, 1)]
    const request = produceRequest(records)
    const answers = [{ topicName: 'a', partition: 0, errorCode: 0, baseOffset: '41' }]
    const outcomes = requestOutcomes(records, request, answers)
    expect(outcomes.map((outcome) => (outcome.status === 'acked' ? outcome.offset : outcome.status))).toEqual([
      41,
      'failed',
      42,
      'failed',
    ])
  })

  it('spreads records without a key over all partitions, and keeps a chosen partition in a second attempt', () => {
    const choose = notePartition()
    const partitionMetadata = [0, 1, 2].map((partitionId) => ({ partitionId, leader: 1 }) as never)
    const messages = Array.from({ length: 600 }, () => ({ key: null, value: null }))
    const first = messages.map((message) => choose({ topic: 'a', partitionMetadata, message }))
    expect(new Set(first)).toEqual(new Set([0, 1, 2]))
    expect(messages.map((message) => choose({ topic: 'a', partitionMetadata, message }))).toEqual(first)
  })
})

describe('headers on their way through a plain object', () => {
  it('keep names of the prototype, repeated names, and bytes', () => {
    const client = toClientHeaders([
      ['__proto__', 'a'],
      ['__proto__', Uint8Array.of(0, 255)],
      ['constructor', 'b'],
      ['constructor', 'c'],
    ])
    expect(Object.keys(client)).toEqual(['__proto__', 'constructor'])
    expect(Object.getOwnPropertyDescriptor(client, '__proto__')?.value).toEqual(['a', Buffer.from([0, 255])])
    expect(client.constructor).toEqual(['b', 'c'])
  })

  it('lose what kafkajs mistakes for earlier values, and nothing else', () => {
    // What kafkajs makes of a record with the headers constructor, gone (no bytes) and twice.
    const fromKafka = { constructor: [Object, Buffer.from('x')], gone: null, twice: [Buffer.from('1'), null] }
    expect(fromClientHeaders(fromKafka as never)).toEqual([
      ['constructor', Buffer.from('x')],
      ['gone', null],
      ['twice', Buffer.from('1')],
      ['twice', null],
    ])
    expect(fromClientHeaders(undefined)).toEqual([])
  })
})
