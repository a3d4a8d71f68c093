import { type ErrorCode, type IdSource, localIds, type Tx } from '@oncebox/core'
import { createOutbox, type OutboxOptions, type OutgoingMessage } from '@oncebox/outbox'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { empty, inTransaction, messages, migratedDatabase, outboxRows, refusalOf } from './kit.js'

const outbox = createOutbox({ source: 'shop', messages })
const cycle: { self?: unknown } = {}
cycle.self = cycle
const now = Date.now()
const v7 = localIds.next()

/** What a user without types can pass. */
type Anything = { [Name in keyof OutgoingMessage]?: unknown }
const good: OutgoingMessage = { topic: 't', type: 'x', key: 'k', data: { a: 1 } }

const refusals: [string, Anything, ErrorCode][] = [
  ['a cycle', { data: cycle }, 'PAYLOAD_NOT_ENCODABLE'],
  ['a BigInt', { data: { a: 1n } }, 'PAYLOAD_NOT_ENCODABLE'],
  ['NaN', { data: { a: Number.NaN } }, 'PAYLOAD_NOT_ENCODABLE'],
  ['an infinity', { data: [Number.POSITIVE_INFINITY] }, 'PAYLOAD_NOT_ENCODABLE'],
  ['undefined data', { data: undefined }, 'PAYLOAD_NOT_ENCODABLE'],
  ['a function as data', { data: () => 1 }, 'PAYLOAD_NOT_ENCODABLE'],
  ['a lone surrogate in data', { data: { a: '\ud83d' } }, 'PAYLOAD_NOT_ENCODABLE'],
  ['a lone surrogate in text', { data: 'a\udc00' }, 'PAYLOAD_NOT_ENCODABLE'],
  ['a lone surrogate in the key', { key: '\ud83d' }, 'INVALID_MESSAGE'],
  ['a lone surrogate in a header value', { headers: { a: '\ud83d' } }, 'INVALID_MESSAGE'],
  ['a lone surrogate in a header name', { headers: { '\ud83d': 'a' } }, 'INVALID_MESSAGE'],
  ['a lone surrogate in the type', { type: '\ud83d' }, 'INVALID_MESSAGE'],
  ['a NUL in the key', { key: 'a\0b' }, 'INVALID_MESSAGE'],
  ['a NUL in a header value', { headers: { a: '\0' } }, 'INVALID_MESSAGE'],
  ['a NUL in a header name', { headers: { 'a\0': 'b' } }, 'INVALID_MESSAGE'],
  ['a NUL in the type', { type: 'a\0' }, 'INVALID_MESSAGE'],
  ['a NUL in the content type', { contentType: 'a\0' }, 'INVALID_MESSAGE'],
  ['an empty topic', { topic: '' }, 'INVALID_MESSAGE'],
  ['a topic name that Kafka refuses', { topic: 'a/b' }, 'INVALID_MESSAGE'],
  ['a topic that is no text', { topic: 5 }, 'INVALID_MESSAGE'],
  ['an empty type', { type: '' }, 'INVALID_MESSAGE'],
  ['a type that is no text', { type: null }, 'INVALID_MESSAGE'],
  ['an empty content type', { contentType: '' }, 'INVALID_MESSAGE'],
  ['a key that is no text', { key: 5 }, 'INVALID_MESSAGE'],
  ['the header ce_id', { headers: { ce_id: 'x' } }, 'INVALID_MESSAGE'],
  ['any header ce_*, in any case', { headers: { CE_subject: 'x' } }, 'INVALID_MESSAGE'],
  ['the header content-type', { headers: { 'Content-Type': 'x' } }, 'INVALID_MESSAGE'],
  ['a header without a name', { headers: { '': 'x' } }, 'INVALID_MESSAGE'],
  ['a header value that is no text', { headers: { a: 5 } }, 'INVALID_MESSAGE'],
  ['headers that are a list', { headers: [['a', 'b']] }, 'INVALID_MESSAGE'],
  ['headers that are null', { headers: null }, 'INVALID_MESSAGE'],
  ['data over the size limit', { data: 'x'.repeat(900_001) }, 'PAYLOAD_TOO_LARGE'],
  ['headers over the size limit', { headers: { a: 'ä'.repeat(450_000) } }, 'PAYLOAD_TOO_LARGE'],
  ['a key over its size limit', { key: 'x'.repeat(100_000) }, 'PAYLOAD_TOO_LARGE'],
  ['an id that is not a UUID', { id: 'order-1' }, 'INVALID_MESSAGE'],
  ['an id that is no text', { id: 5 }, 'INVALID_MESSAGE'],
  ['a deliverAt that is no date', { deliverAt: new Date('soon') }, 'INVALID_MESSAGE'],
  ['a deliverAt that is a number', { deliverAt: now + 1_000 }, 'INVALID_MESSAGE'],
  ['a deliverAt over a year ahead', { deliverAt: new Date(now + 400 * 86_400_000) }, 'INVALID_MESSAGE'],
  [
    'an id whose own time is not that of deliverAt',
    { id: v7, deliverAt: new Date(now + 30 * 86_400_000) },
    'INVALID_MESSAGE',
  ],
]

describe('emit and emitMany refuse, before anything is written', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await migratedDatabase()
  })
  beforeEach(() => empty(database))
  afterAll(() => database?.drop())

  /** Each of `attempts` is refused with `code`; the transaction they ran in then commits other work. */
  async function refusedAndCommits(code: ErrorCode, ...attempts: ((tx: Tx) => Promise<unknown>)[]): Promise<void> {
    await inTransaction(database, async (client, tx) => {
      for (const attempt of attempts) expect((await refusalOf(attempt(tx))).code).toBe(code)
      await client.query("insert into account values ('a', 1)")
    })
    expect((await database.pool.query('select id from account')).rows).toEqual([{ id: 'a' }])
    expect(await outboxRows(database)).toEqual([])
    expect((await database.pool.query('select 1 from oncebox.scheduled')).rowCount).toBe(0)
  }

  it.each(refusals)('%s; the transaction can still commit other work', async (_, part, code) => {
    const bad = { ...good, ...part } as OutgoingMessage
    await refusedAndCommits(
      code,
      (tx) => outbox.emit(tx, bad),
      (tx) => outbox.emitMany(tx, [good, bad]),
    )
  })

  it('data that does not fit the schema', async () => {
    const data = { id: 4711 } as unknown as { id: string }
    await refusedAndCommits(
      'SCHEMA_MISMATCH',
      (tx) => outbox.emit(tx, 'order.created', data),
      (tx) => outbox.emitMany(tx, [{ type: 'order.created', data }]),
    )
  })

  it('a type without a contract, also one that every object has', async () => {
    const untyped = outbox as unknown as { emit(tx: Tx, type: string, data: unknown): Promise<string> }
    await refusedAndCommits(
      'UNKNOWN_MESSAGE_TYPE',
      (tx) => untyped.emit(tx, 'order.deleted', {}),
      (tx) => untyped.emit(tx, 'constructor', {}),
      (tx) => outbox.emitMany(tx, [{ type: 'toString', data: 1 } as unknown as OutgoingMessage]),
    )
  })

  it('a message that is none', async () => {
    for (const nothing of [null, undefined, 5]) {
      const bad = nothing as unknown as OutgoingMessage
      expect((await refusalOf(inTransaction(database, (_, tx) => outbox.emit(tx, bad)))).code).toBe('INVALID_MESSAGE')
      expect((await refusalOf(inTransaction(database, (_, tx) => outbox.emitMany(tx, [bad])))).code).toBe(
        'INVALID_MESSAGE',
      )
    }
  })

  it('and quote neither payload, nor key, nor header value', async () => {
    for (const part of [
      { data: { a: 'secret-4711\ud800' } },
      { key: 'secret-4711\0' },
      { headers: { a: 'secret-4711\0' } },
    ]) {
      const error = await refusalOf(inTransaction(database, (_, tx) => outbox.emit(tx, { ...good, ...part })))
      expect(error.message).not.toContain('4711')
    }
  })

  it('nothing at the limit itself', async () => {
    const exact = createOutbox({ source: 's', maxPayloadBytes: 100 })
    // The headers are {"a":"b"}: 9 bytes.
    const message = { topic: 't', type: 'x', key: 'k', headers: { a: 'b' }, data: 'd'.repeat(91) }
    await inTransaction(database, (_, tx) => exact.emit(tx, message))
    const more = refusalOf(inTransaction(database, (_, tx) => exact.emit(tx, { ...message, data: `${message.data}d` })))
    expect((await more).code).toBe('PAYLOAD_TOO_LARGE')
    expect(await outboxRows(database)).toHaveLength(1)
  })

  it('a transaction that is none: a Kysely one without its adapter, a pool of settings, nothing', async () => {
    const db = new Kysely<Record<string, never>>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: database.url }) }),
    })
    await db.transaction().execute(async (trx) => {
      const error = await refusalOf(outbox.emit(trx as unknown as Tx, good))
      expect(error.code).toBe('INVALID_SETTING')
      expect(error.message).toContain('fromKysely')
    })
    await db.destroy()
    for (const none of [undefined, null, {}, { query: {} }]) {
      expect((await refusalOf(outbox.emit(none as unknown as Tx, good))).code).toBe('INVALID_SETTING')
      expect((await refusalOf(outbox.emitMany(none as unknown as Tx, []))).code).toBe('INVALID_SETTING')
    }
  })
})

describe('createOutbox refuses', () => {
  const ids: IdSource = localIds
  it.each<[string, Partial<OutboxOptions<typeof messages>>]>([
    ['an empty source', { source: '' }],
    ['a source with a NUL', { source: 'a\0' }],
    ['an empty schema name', { schema: '' }],
    ['a limit that is no number of bytes', { maxPayloadBytes: 0.5 }],
    ['a source that is no text', { source: 5 as never }],
    ['ids that are none', { ids: {} as never }],
    ['messages that are no contracts', { messages: { 'order.created': null } as never }],
    ['a clock that has no present', { clock: {} as never }],
  ])('%s', (_, options) => {
    expect(() => createOutbox({ source: 'shop', ids, ...options })).toThrow(
      expect.objectContaining({ code: 'INVALID_SETTING' }),
    )
  })
})
