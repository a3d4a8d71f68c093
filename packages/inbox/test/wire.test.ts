import { localIds, type RawHeader } from '@oncebox/core'
import { until } from '@oncebox/testkit'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { afterEach, describe, expect, test } from 'vitest'
import { type Bench, bench, businessDatabase, deposit, depositInto, type Sending } from './fixture.js'

const bytes = (text: string) => Buffer.from(text)
const headers = (fields: Record<string, string | Uint8Array>): RawHeader[] =>
  Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? bytes(value) : value])
const ours = (fields: Record<string, string | Uint8Array> = {}) =>
  headers({ ce_id: localIds.next(), ce_type: 'deposited', ce_source: 'shop', ...fields })
const json = bytes('{"account":"bad","amount":1}')
const allBytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)

const bad: [what: string, sending: Sending, reason: string][] = [
  ['no headers at all', { headers: [], value: json }, 'MESSAGE_TYPE_MISSING'],
  ['a type and no id', { headers: headers({ ce_type: 'deposited' }), value: json }, 'MESSAGE_ID_MISSING'],
  ['an id and no type', { headers: headers({ ce_id: localIds.next() }), value: json }, 'MESSAGE_TYPE_MISSING'],
  ['an empty id', { headers: ours({ ce_id: '' }), value: json }, 'MESSAGE_ID_MISSING'],
  ['an id with a NUL', { headers: ours({ ce_id: 'a\0b' }), value: json }, 'MESSAGE_ID_MISSING'],
  ['an id that is not UTF-8', { headers: ours({ ce_id: Buffer.of(0xff) }), value: json }, 'MESSAGE_ID_MISSING'],
  ['an id of 100 kB', { headers: ours({ ce_id: 'x'.repeat(100_000) }), value: json }, 'MESSAGE_ID_MISSING'],
  [
    'a foreign id with a NUL in its source',
    { headers: ours({ ce_id: '1', ce_source: '\0' }), value: json },
    'MESSAGE_ID_MISSING',
  ],
  ['broken JSON', { headers: ours(), value: bytes('{"account":') }, 'PAYLOAD_NOT_DECODABLE'],
  ['JSON that is not UTF-8', { headers: ours(), value: Buffer.of(0x22, 0xff, 0x22) }, 'PAYLOAD_NOT_DECODABLE'],
  ['an empty value', { headers: ours(), value: new Uint8Array() }, 'PAYLOAD_NOT_DECODABLE'],
  ['a null value', { headers: ours(), value: null }, 'SCHEMA_MISMATCH'],
  ['data that does not fit the schema', { headers: ours(), value: bytes('{"account":7}') }, 'SCHEMA_MISMATCH'],
  [
    'a payload of another content type',
    { headers: ours({ 'content-type': 'image/png' }), value: json },
    'SCHEMA_MISMATCH',
  ],
  ['a NUL inside the data', { headers: ours(), value: bytes('{"account":"\\u0000","amount":"x"}') }, 'SCHEMA_MISMATCH'],
  ['a type with a NUL', { headers: ours({ ce_type: '\0' }), value: json }, 'UNKNOWN_MESSAGE_TYPE'],
  ['a type named __proto__', { headers: ours({ ce_type: '__proto__' }), value: json }, 'UNKNOWN_MESSAGE_TYPE'],
  ['a type of 10 kB', { headers: ours({ ce_type: 'x'.repeat(10_000) }), value: json }, 'UNKNOWN_MESSAGE_TYPE'],
  [
    'every byte in key, value and headers',
    {
      headers: [...ours({ ce_type: 'nobody' }), ['bytes', allBytes], ['na\0me', allBytes]],
      value: allBytes,
    },
    'UNKNOWN_MESSAGE_TYPE',
  ],
]

describe('what comes over the wire', () => {
  let database: TestDatabase | undefined
  const stops: (() => Promise<void>)[] = []

  async function open(): Promise<Bench> {
    database = await businessDatabase()
    return bench(database)
  }

  function running(it: Bench, overrides: Parameters<Bench['consumer']>[0] = {}) {
    const consumer = it.consumer(overrides)
    stops.push(() => consumer.stop())
    return consumer
  }

  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
    await database?.drop()
    database = undefined
  })

  test('each bad message becomes one dead letter with its reason and its bytes, and the good ones run', async () => {
    const it = await open()
    const good: Sending[] = []
    for (const [, sending] of bad) {
      const neighbour = deposit('good')
      good.push(neighbour)
      await it.send([sending, neighbour])
    }
    const consumer = running(it, { unknownType: 'deadLetter' })
    await consumer.start()
    await it.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(good.map(({ id }) => id))
    const { rows } = await it.database.pool.query(
      'SELECT message_id, record_offset, reason, payload, headers FROM oncebox.dead_letter ORDER BY record_offset',
    )
    expect(rows.map((row) => [bad[row.record_offset / 2]?.[0], row.reason])).toEqual(
      bad.map(([what, , reason]) => [what, reason]),
    )
    for (const row of rows) {
      const value = bad[row.record_offset / 2]?.[1].value
      expect(row.payload?.equals(value ?? Buffer.of()) ?? null).toEqual(value === null ? null : true)
      if (row.reason === 'MESSAGE_ID_MISSING') expect(row.message_id).toBe(`accounts/0/${row.record_offset}`)
    }
    const [, , last] = rows.at(-1).headers.slice(-3)
    expect(last[0]).toBe('na\uFFFDme')
    expect(Buffer.from(last[1], 'base64').equals(Buffer.from(allBytes))).toBe(true)
    expect(consumer.counters()).toMatchObject({ failedAttempts: 0, pauses: 0, deadLettered: bad.length })
  })

  test('bad messages that come again are not put to the dead letters twice', async () => {
    const it = await open()
    await it.send(bad.map(([, sending]) => sending))
    await running(it, { unknownType: 'deadLetter' }).start()
    await it.drained()
    it.transport.redeliver('bank', 'accounts', 0, 0)
    await it.drained()
    expect(await it.deadLetters()).toHaveLength(bad.length)
  })

  test('a null value reaches a handler whose schema takes null', async () => {
    const it = await open()
    const seen: unknown[] = []
    await it.send([
      { type: 'erased', value: null },
      { type: 'erased', data: null },
    ])
    await running(it, {
      handlers: { erased: (message) => seen.push([message.data, message.payload === null]) },
    }).start()
    await it.drained()
    expect(seen).toEqual([
      [null, true],
      [null, false],
    ])
  })

  test('headers of the Debezium outbox router are understood', async () => {
    const it = await open()
    const id = localIds.next()
    await it.send([{ headers: headers({ id, eventType: 'deposited' }), value: json }])
    await it.send([{ headers: headers({ id, eventType: 'deposited' }), value: json }])
    await running(it).start()
    await it.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual([id])
  })

  test('a handler gets key, headers and raw bytes as they were sent', async () => {
    const it = await open()
    const received: unknown[] = []
    await it.send([{ ...deposit('ключ'), headers: [...ours(), ['trace', bytes('1')], ['raw', allBytes]] }])
    await running(it, {
      handlers: {
        deposited: (message) => {
          received.push([message.key, message.headers.trace, message.rawHeaders.at(-1)?.[1], message.offset])
        },
      },
    }).start()
    await it.drained()
    expect(received).toEqual([['ключ', '1', Buffer.from(allBytes), '0']])
  })

  test('a type without a handler is acked and counted, with no inbox row and no look at its data', async () => {
    const it = await open()
    await it.send([
      { type: 'viewed', value: bytes('not JSON') },
      deposit('a'),
      { type: 'viewed', headers: headers({ ce_type: 'viewed' }) },
    ])
    const consumer = running(it)
    await consumer.start()
    await it.drained()
    expect(consumer.counters()).toMatchObject({ ignored: 2, handled: 1 })
    expect((await it.database.pool.query('SELECT FROM oncebox.inbox')).rows).toHaveLength(1)
    expect(await it.storedOffset()).toBe('3')
  })

  test('unknownType block: the partition waits, what came before is done, nothing is dropped', async () => {
    const it = await open()
    const blocked: string[] = []
    await it.send([deposit('a'), { type: 'viewed', data: { page: '/' } }, deposit('b')])
    const consumer = running(it, {
      unknownType: 'block',
      onEvent: (event) => void (event.type === 'blocked' && blocked.push(event.reason)),
    })
    await consumer.start()
    await until(() => blocked.length > 0, { what: 'the partition to be blocked' })
    await until(() => it.transport.committed('bank', 'accounts', 0) === 1, { what: 'the first message to be acked' })
    expect((await it.effects()).map((row) => row.account)).toEqual(['a'])
    expect(blocked).toContain('UNKNOWN_MESSAGE_TYPE')
    await consumer.stop()
    await running(it, { unknownType: 'ignore', handlers: { deposited: depositInto } }).start()
    await it.drained()
    expect((await it.effects()).map((row) => row.account)).toEqual(['a', 'b'])
  })
})
