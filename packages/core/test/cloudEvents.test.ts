import { decodeEnvelope, encodeHeaders, isReservedHeader, type OutboxRow, type WireRecord } from '@oncebox/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const row: OutboxRow = {
  position: '9007199254740993',
  id: '0193f2a0-0000-7000-8000-000000000001',
  source: 'shop',
  topic: 'orders',
  key: 'o-1',
  type: 'order.created',
  headers: null,
  payload: Buffer.from('{}'),
  contentType: 'application/json',
  createdAt: '2026-11-22T10:11:12.123456Z',
}

function record(part: Partial<WireRecord>): WireRecord {
  return { topic: 'orders', partition: 3, offset: '42', timestamp: 1_000, key: null, value: null, headers: [], ...part }
}

function overTheWire(sent: OutboxRow): WireRecord {
  return record({
    topic: sent.topic,
    key: sent.key === null ? null : Buffer.from(sent.key),
    value: sent.payload,
    headers: encodeHeaders(sent).map(([name, value]) => [name, Buffer.from(value)]),
  })
}

describe('cloud events in binary mode', () => {
  it('writes the attributes as ce_ headers and the media type as content-type', () => {
    expect(Object.fromEntries(encodeHeaders({ ...row, headers: { traceparent: '00-a-b-01' } }))).toEqual({
      ce_specversion: '1.0',
      ce_type: 'order.created',
      ce_source: 'shop',
      'content-type': 'application/json',
      ce_id: row.id,
      ce_time: '2026-11-22T10:11:12.123456Z',
      traceparent: '00-a-b-01',
    })
    expect(encodeHeaders({ ...row, contentType: null }).map(([name]) => name)).not.toContain('content-type')
  })

  it('hands out the headers that messages share as one frozen object, and forgets them past a thousand values', () => {
    const [one, two] = [encodeHeaders(row), encodeHeaders({ ...row, id: 'another', type: 'order.created' })]
    for (const at of [0, 1, 2, 3]) {
      expect(two[at]).toBe(one[at])
      expect(Object.isFrozen(one[at])).toBe(true)
    }
    expect(two[4]).toEqual(['ce_id', 'another'])
    expect(Object.isFrozen(two[4])).toBe(false)
    for (let n = 0; n < 1_000; n++) encodeHeaders({ ...row, type: `type ${n}` })
    expect(encodeHeaders(row)[1]).not.toBe(one[1])
    expect(encodeHeaders(row)).toEqual(one)
  })

  it('writes what a row holds in its headers as text, whatever JSON it is', () => {
    const headers = JSON.parse('{"n":5,"null":null,"o":{"a":[1]},"t":"x"}')
    const written = Object.fromEntries(encodeHeaders({ ...row, headers }))
    expect(written).toMatchObject({ n: '5', null: 'null', o: '{"a":[1]}', t: 'x' })
  })

  it('reads back every row it wrote, whatever text is in it', () => {
    const text = fc.string({ unit: 'binary' })
    const name = text.filter((candidate) => !isReservedHeader(candidate))
    fc.assert(
      fc.property(
        text,
        fc.option(text),
        fc.dictionary(fc.oneof(name, fc.constant('__proto__')), text),
        fc.option(fc.uint8Array()),
        (type, key, headers, payload) => {
          const sent = { ...row, type, key, headers, payload }
          const envelope = decodeEnvelope(overTheWire(sent))
          expect(envelope).toMatchObject({ id: row.id, topic: 'orders', key, type, source: 'shop', payload })
          expect(Object.entries(envelope.headers)).toEqual(Object.entries(headers))
          expect(envelope.contentType).toBe('application/json')
          expect(envelope.time.toISOString()).toBe('2026-11-22T10:11:12.123Z')
        },
      ),
    )
  })

  it('keeps a header named __proto__ as a header and pollutes nothing', () => {
    const envelope = decodeEnvelope(record({ headers: [['__proto__', Buffer.from('x')]] }))
    expect(Object.keys(envelope.headers)).toEqual(['__proto__'])
    expect(({} as { x?: unknown }).x).toBeUndefined()
    expect(Object.getPrototypeOf(envelope.headers)).toBeNull()
  })

  it("takes the id and type that Debezium's outbox event router writes, and prefers our own", () => {
    const debezium: [string, Uint8Array][] = [
      ['id', Buffer.from('b9f0')],
      ['eventType', Buffer.from('OrderCreated')],
    ]
    expect(decodeEnvelope(record({ headers: debezium }))).toMatchObject({
      id: 'b9f0',
      type: 'OrderCreated',
      source: '',
    })
    const both = decodeEnvelope(record({ headers: [['ce_id', Buffer.from('ours')], ...debezium] }))
    expect(both).toMatchObject({ id: 'ours', headers: { id: 'b9f0' } })
  })

  it('keeps bytes that are not UTF-8 in rawKey and rawHeaders', () => {
    const key = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const headers: WireRecord['headers'] = [
      ['b', Uint8Array.of(0xff, 0x00, 0xfe)],
      ['none', null],
      ['b', Uint8Array.of(0x41)],
    ]
    const envelope = decodeEnvelope(record({ key, headers }))
    expect(envelope.rawKey).toBe(key)
    expect(envelope.rawHeaders).toBe(headers)
    expect(envelope.key).toContain('\ufffd')
    expect({ ...envelope.headers }).toEqual({ b: 'A' })
  })

  it('reads bytes out of the middle of a larger buffer', () => {
    const slab = Buffer.from('xxkey-onexx')
    expect(decodeEnvelope(record({ key: slab.subarray(2, 9) })).key).toBe('key-one')
  })

  it('names nothing that a record without headers does not say, and takes the time of the record', () => {
    expect(decodeEnvelope(record({}))).toMatchObject({
      id: '',
      type: '',
      source: '',
      key: null,
      contentType: null,
      payload: null,
      partition: 3,
      offset: '42',
      time: new Date(1_000),
    })
    expect(decodeEnvelope(record({ headers: [['ce_time', Buffer.from('soon')]] })).time).toEqual(new Date(1_000))
  })

  it('owns ce_* and content-type in any case, and nothing else', () => {
    expect(['ce_id', 'CE_Subject', 'Content-Type'].map(isReservedHeader)).toEqual([true, true, true])
    expect(['id', 'traceparent', 'ce', 'content_type', 'x-ce_id'].some(isReservedHeader)).toBe(false)
    const envelope = decodeEnvelope(record({ headers: [['Content-Type', Buffer.from('text/plain')]] }))
    expect(envelope).toMatchObject({ contentType: 'text/plain', headers: {} })
  })
})
