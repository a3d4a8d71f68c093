import { isUuidV7, localIds, type Tx, uuidV7Time } from '@oncebox/core'
import { fromKysely, type OnceboxTables } from '@oncebox/core/kysely'
import { createOutbox, type OutgoingMessage } from '@oncebox/outbox'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { postgresVersions } from '@oncebox/testkit/harness'
import { type Insertable, Kysely, PostgresDialect, type Selectable } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, expectTypeOf, it } from 'vitest'
import { empty, inTransaction, messages, migratedDatabase, outboxRows, recorded } from './kit.js'

const outbox = createOutbox({ source: 'shop', messages })
const json = (payload: Buffer | null | undefined) => JSON.parse(payload?.toString('utf8') ?? 'missing')

describe.each(postgresVersions)('emit on Postgres %i', (version) => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await migratedDatabase(version)
  })
  beforeEach(() => empty(database))
  afterAll(() => database?.drop())

  it("writes a contract's message: topic and key from the contract, the schema's output as data", async () => {
    const id = await inTransaction(database, (_, tx) => outbox.emit(tx, 'order.created', { id: 'o-1' }))
    expect(isUuidV7(id)).toBe(true)
    const rows = await outboxRows(database)
    expect(rows).toMatchObject([
      {
        id,
        source: 'shop',
        topic: 'orders',
        key: 'o-1',
        type: 'order.created',
        content_type: 'application/json',
        headers: null,
      },
    ])
    expect(json(rows[0]?.payload)).toEqual({ id: 'o-1', total: 0 })
  })

  it('lets the options give key, headers, id and content type', async () => {
    const id = '0CC175B9-C0F1-B6A8-31C3-99E269772661'
    const options = { key: null, headers: { tenant: 't' }, id, contentType: 'application/vnd.order+json' }
    const written = await inTransaction(database, (_, tx) => outbox.emit(tx, 'order.created', { id: 'o' }, options))
    expect(written).toBe(id.toLowerCase())
    expect(await outboxRows(database)).toMatchObject([
      { id: written, key: null, headers: { tenant: 't' }, content_type: 'application/vnd.order+json' },
    ])
  })

  it('writes a message in the long form, bytes and text as they are, null as a tombstone', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    await inTransaction(database, async (_, tx) => {
      for (const data of [bytes, 'tëxt 😀', null, { a: 1 }, 5, false]) {
        await outbox.emit(tx, { topic: 't', type: 'x', key: 'k', data })
      }
    })
    const rows = await outboxRows(database)
    expect(rows.map((row) => [row.content_type, row.payload?.toString('latin1') ?? null])).toEqual([
      ['application/octet-stream', Buffer.from(bytes).toString('latin1')],
      ['text/plain; charset=utf-8', Buffer.from('tëxt 😀').toString('latin1')],
      [null, null],
      ['application/json', '{"a":1}'],
      ['application/json', '5'],
      ['application/json', 'false'],
    ])
  })

  it('keeps hostile but sendable text: quotes, newlines, emoji, an empty key, a header named __proto__', async () => {
    const nasty = `'";\\\n\t{}[]:😀\u2028`
    const headers = JSON.parse(`{"__proto__":"p",${JSON.stringify(nasty)}:${JSON.stringify(nasty)},"empty":""}`)
    await inTransaction(database, async (_, tx) => {
      const message = { topic: 't', type: nasty, key: nasty, data: nasty, headers }
      await outbox.emit(tx, message)
      await outbox.emitMany(tx, [message, { ...message, key: '' }])
    })
    const rows = await outboxRows(database)
    expect(rows.map((row) => row.key)).toEqual([nasty, nasty, ''])
    for (const row of rows) {
      expect(row.type).toBe(nasty)
      expect(row.payload?.toString()).toBe(nasty)
      expect(Object.entries(row.headers ?? {}).sort()).toEqual(Object.entries(headers).sort())
    }
  })

  it('puts a message with a time ahead into scheduled, with an id of that time; one whose time has passed goes at once', async () => {
    const deliverAt = new Date(Date.now() + 3_600_000)
    const foreign = '0cc175b9-c0f1-b6a8-31c3-99e269772661'
    const ids = await inTransaction(database, async (_, tx) => [
      await outbox.emit(tx, 'page.viewed', { url: 'later' }, { deliverAt }),
      await outbox.emit(tx, 'page.viewed', { url: 'later' }, { deliverAt, id: foreign }),
      await outbox.emit(tx, 'page.viewed', { url: 'now' }, { deliverAt: new Date(0) }),
    ])
    expect(uuidV7Time(ids[0] as string)).toBe(deliverAt.getTime())
    expect(uuidV7Time(ids[2] as string)).toBeGreaterThan(Date.now() - 60_000)
    const { rows } = await database.pool.query(
      'select id, due_at, topic, source, payload from oncebox.scheduled order by number',
    )
    expect(rows.map((row) => row.id)).toEqual([ids[0], foreign])
    expect(rows[0]).toMatchObject({ due_at: deliverAt, topic: 'pages', source: 'shop' })
    expect(json(rows[0].payload)).toEqual({ url: 'later' })
    expect((await outboxRows(database)).map((row) => row.id)).toEqual([ids[2]])
  })

  it('takes the present for deliverAt from its clock', async () => {
    const early = createOutbox({ source: 'shop', clock: { now: () => 1_000 } })
    const message = { topic: 't', type: 'x', data: 1 }
    await inTransaction(database, async (_, tx) => {
      await early.emit(tx, { ...message, deliverAt: new Date(1_000) })
      await early.emit(tx, { ...message, deliverAt: new Date(1_001) })
    })
    expect(await outboxRows(database)).toHaveLength(1)
    expect((await database.pool.query('select due_at from oncebox.scheduled')).rows).toEqual([
      { due_at: new Date(1_001) },
    ])
  })

  it('emitMany writes thousands in one statement, in order, every byte as it was', async () => {
    const many: OutgoingMessage[] = Array.from({ length: 5_000 }, (_, index) => ({
      topic: index % 2 === 0 ? 'even' : 'odd',
      type: 'counted',
      key: index % 3 === 0 ? null : `k-${index}`,
      data: index % 5 === 0 ? null : Uint8Array.of(index & 255, 0, 255, index >> 8),
      ...(index % 7 === 0 ? { headers: { index: String(index) } } : {}),
    }))
    const statements: string[] = []
    const ids = await inTransaction(database, (_, tx) => outbox.emitMany(recorded(tx, statements), many))
    expect(statements).toHaveLength(1)
    expect(ids).toEqual([...ids].sort())
    const rows = await outboxRows(database)
    expect(rows.map((row) => row.id)).toEqual(ids)
    rows.forEach((row, index) => {
      const { topic, key, data, headers } = many[index] as OutgoingMessage
      expect({ ...row, payload: row.payload && new Uint8Array(row.payload) }).toMatchObject({
        topic,
        key,
        payload: data,
        source: 'shop',
        headers: headers ?? null,
      })
    })
  })

  it('emitMany takes contracts and long forms, now and later, together', async () => {
    const deliverAt = new Date(Date.now() + 60_000)
    const ids = await inTransaction(database, (_, tx) =>
      outbox.emitMany(tx, [
        { type: 'order.created', data: { id: 'o-1', total: 3 } },
        { type: 'order.created', data: { id: 'o-2' }, deliverAt },
        { topic: 'other', type: 'free', data: 'text' },
      ]),
    )
    expect((await outboxRows(database)).map((row) => [row.id, row.topic, row.key])).toEqual([
      [ids[0], 'orders', 'o-1'],
      [ids[2], 'other', null],
    ])
    const { rows } = await database.pool.query('select id, key, due_at, payload from oncebox.scheduled')
    expect(rows).toMatchObject([{ id: ids[1], key: 'o-2', due_at: deliverAt }])
    expect(json(rows[0].payload)).toEqual({ id: 'o-2', total: 0 })
  })

  it('emitMany of nothing runs nothing', async () => {
    const never = { query: () => Promise.reject(new Error('ran')) }
    expect(await outbox.emitMany(never, [])).toEqual([])
  })

  it('emit takes one round trip', async () => {
    const statements: string[] = []
    await inTransaction(database, (_, tx) => outbox.emit(recorded(tx, statements), 'page.viewed', { url: '/' }))
    expect(statements).toHaveLength(1)
  })

  it('writes what oncebox.emit in SQL writes: the same columns, content types and headers', async () => {
    const cases: [string, OutgoingMessage['data'], unknown][] = [
      ['jsonb', { a: 1 }, '{"a":1}'],
      ['text', 'tëxt', 'tëxt'],
      ['bytea', Uint8Array.of(0, 255), Buffer.from([0, 255])],
      ['jsonb', null, null],
    ]
    await inTransaction(database, async (client, tx) => {
      for (const [type, data, parameter] of cases) {
        const headers = { tenant: 't', __a: 'b' }
        await outbox.emit(tx, { topic: 't', type: 'x', key: 'k', data, headers, id: localIds.next() })
        await client.query(`select oncebox.emit('t', 'k', 'x', $1::${type}, $2::jsonb, source => 'shop')`, [
          parameter,
          JSON.stringify(headers),
        ])
      }
    })
    const columns = `source, topic, key, type, content_type, headers, slot,
      case content_type when 'application/json' then replace(convert_from(payload, 'UTF8'), ' ', '') else encode(payload, 'hex') end as payload`
    const { rows } = await database.pool.query(`select ${columns} from oncebox.outbox order by position`)
    expect(rows).toHaveLength(8)
    for (let index = 0; index < rows.length; index += 2) expect(rows[index + 1]).toEqual(rows[index])
  })

  it('writes into a schema of any name', async () => {
    const { rows } = await database.pool
      .query(`
      create schema "Böx ""1""";
      create table "Böx ""1""".outbox (like oncebox.outbox including defaults including identity);
      select 1`)
      .then((results) => (results as unknown as { rows: unknown[] }[])[2] as { rows: unknown[] })
    expect(rows).toHaveLength(1)
    const named = createOutbox({ source: 'shop', schema: 'Böx "1"' })
    await inTransaction(
      database,
      async (_, tx) => {
        await named.emit(tx, { topic: 't', type: 'x', data: 1 })
        await named.emitMany(tx, [{ topic: 't', type: 'x', data: 1 }])
      },
      'begin',
      database.pool,
    )
    expect((await database.pool.query('select 1 from "Böx ""1""".outbox')).rowCount).toBe(2)
    await database.pool.query('drop schema "Böx ""1""" cascade')
  })
})

describe('types', () => {
  it('of emit follow the contracts', () => {
    const check = (tx: Tx) => {
      void outbox.emit(tx, 'order.created', { id: 'o' })
      // @ts-expect-error: total is a number
      void outbox.emit(tx, 'order.created', { id: 'o', total: 'x' })
      // @ts-expect-error: no such type
      void outbox.emit(tx, 'order.deleted', { id: 'o' })
      // @ts-expect-error: data is missing
      void outbox.emit(tx, 'order.created')
      void outbox.emit(tx, { topic: 't', type: 'anything', data: 1 })
      // @ts-expect-error: a long form needs its topic
      void outbox.emit(tx, { type: 'anything', data: 1 })
      void outbox.emitMany(tx, [{ type: 'page.viewed', data: { url: '/' } }])
      // @ts-expect-error: the data of another type
      void outbox.emitMany(tx, [{ type: 'page.viewed', data: { id: '/' } }])
      // @ts-expect-error: without contracts there is no short form
      void createOutbox({ source: 's' }).emit(tx, 'order.created', { id: 'o' })
    }
    expect(check).toBeTypeOf('function')
    expectTypeOf(outbox.emit<'page.viewed'>)
      .parameter(2)
      .toEqualTypeOf<{ url: string }>()
  })

  it('of the tables are for reading and writing with Kysely', async () => {
    interface DB extends OnceboxTables {
      account: { id: string; money: number }
    }
    expectTypeOf<Selectable<DB['oncebox.outbox']>['position']>().toEqualTypeOf<string>()
    expectTypeOf<Insertable<DB['oncebox.outbox']>>().not.toHaveProperty('position')
    expectTypeOf<keyof OnceboxTables<'other'>>().toEqualTypeOf<'other.outbox' | 'other.scheduled' | 'other.inbox'>()
    const database = await migratedDatabase()
    const db = new Kysely<DB>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: database.url }) }),
    })
    try {
      const id = await db.transaction().execute(async (trx) => {
        await trx.insertInto('account').values({ id: 'a', money: 1 }).execute()
        await trx
          .insertInto('oncebox.outbox')
          .values({
            id: localIds.next(),
            source: 's',
            topic: 't',
            type: 'x',
            headers: '{"a":"b"}',
            payload: Buffer.from('1'),
          })
          .execute()
        return outbox.emit(fromKysely(trx), 'order.created', { id: 'o-1' })
      })
      const rows = await db
        .selectFrom('oncebox.outbox')
        .select(['position', 'id', 'headers', 'payload', 'xid', 'slot', 'created_at'])
        .orderBy('position')
        .execute()
      expectTypeOf(rows[0]?.payload).toEqualTypeOf<Buffer | null | undefined>()
      expect(rows).toMatchObject([{ headers: { a: 'b' }, slot: 0, payload: Buffer.from('1') }, { id }])
      expect(rows[0]).toMatchObject({ position: '1', xid: expect.any(String), created_at: expect.any(Date) })
    } finally {
      await db.destroy()
      await database.drop()
    }
  })
})
