import { expression, increment, type UpsertOptions, upsert } from '@oncebox/guards'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { all, grounds, migratedDatabase, refusalOf, type Sessions, sessions, stateOf } from './kit.js'

const view: UpsertOptions = {
  table: 'shop.views',
  key: { act_code: 'sale', user_id: '9007199254740993' },
  insert: { views: 1 },
  update: { views: increment() },
}

const member = (name: string, revision: number): UpsertOptions => ({
  table: 'shop.member',
  key: { directory: 'hr', number: 7 },
  insert: { name, revision },
  onlyIfNewer: 'revision',
})

describe.each(grounds)('upsert on Postgres $version with $library', ({ version, library }) => {
  let database: TestDatabase
  let open: Sessions
  beforeAll(async () => {
    database = await migratedDatabase(version)
  })
  afterAll(() => database?.drop())
  beforeEach(async () => {
    await database.pool.query('truncate shop.views, shop.member')
    open = sessions(database, library)
  })
  afterEach(() => open[Symbol.asyncDispose]())

  const views = () => all(database, 'select user_id::text, views::text, note from shop.views')

  test('inserts the first time and counts from then on, also in a partitioned table', async () => {
    const { tx, commit } = await open.begin()
    const outcomes = [await upsert(tx, view), await upsert(tx, view)]
    expect(outcomes).toEqual([{ outcome: 'inserted' }, { outcome: 'updated' }])
    const by = { ...view, update: { views: increment(2n ** 40n), note: 'many' } }
    expect(await upsert(tx, by)).toEqual({ outcome: 'updated' })
    await commit()
    expect(await views()).toEqual([{ user_id: '9007199254740993', views: String(2 + 2 ** 40), note: 'many' }])
  })

  test('a counter that is NULL counts from 0', async () => {
    const { tx, commit } = await open.begin()
    await upsert(tx, { ...view, insert: {} })
    await upsert(tx, { ...view, insert: {} })
    await commit()
    expect(await views()).toMatchObject([{ views: '1' }])
  })

  test('new values may be computed from the row that is there and the one that came', async () => {
    const { tx, commit } = await open.begin()
    const greatest = {
      ...view,
      insert: { views: 5, note: expression`upper(${'first'})` },
      update: { views: expression`greatest(target.views, excluded.views) + ${0.4}::int -- a comment` },
    }
    await upsert(tx, greatest)
    await upsert(tx, { ...greatest, insert: { views: 9 } })
    await upsert(tx, { ...greatest, insert: { views: 2 } })
    await commit()
    expect(await views()).toMatchObject([{ views: '9', note: 'FIRST' }])
  })

  test('the newest wins whatever the order; the same or an older one changes nothing', async () => {
    const { tx, commit } = await open.begin()
    const outcomes = []
    for (const [name, revision] of [
      ['two', 2],
      ['one', 1],
      ['two again', 2],
      ['three', 3],
    ] as const) {
      outcomes.push((await upsert(tx, member(name, revision))).outcome)
    }
    await commit()
    expect(outcomes).toEqual(['inserted', 'stale', 'stale', 'updated'])
    expect(await all(database, 'select name, revision::text from shop.member')).toEqual([
      { name: 'three', revision: '3' },
    ])
  })

  test('the deciding column moves along with an update that does not name it, and fills a NULL', async () => {
    const { tx, commit } = await open.begin()
    await tx.query(`insert into shop.member (directory, number, name) values ('hr', 7, 'old')`)
    const partly = (revision: number) => ({ ...member('x', revision), update: { name: `r${revision}` } })
    const outcomes = [await upsert(tx, partly(5)), await upsert(tx, partly(4))]
    await commit()
    expect(outcomes).toEqual([{ outcome: 'updated' }, { outcome: 'stale' }])
    expect(await all(database, 'select name, revision::text from shop.member')).toEqual([{ name: 'r5', revision: '5' }])
  })

  test('an empty update leaves the row that is there', async () => {
    const { tx } = await open.begin()
    const once = { ...member('first', 1), update: {} }
    expect(await upsert(tx, once)).toEqual({ outcome: 'inserted' })
    expect(await upsert(tx, { ...once, insert: { name: 'second', revision: 2 } })).toEqual({ outcome: 'already' })
  })

  test('concurrent callers of one key wait for each other, and none is lost', async () => {
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const { tx, commit } = await open.begin()
        await upsert(tx, view)
        await commit()
      }),
    )
    expect(await views()).toMatchObject([{ views: '40' }])
  })

  test('every type of value becomes the type of its column', async () => {
    const { tx } = await open.begin()
    await tx.query(
      `create table shop.typed (id uuid primary key, bytes bytea, at timestamptz, day date, flags boolean, amount numeric,
         big bigint, tags text[], data jsonb, nothing text)`,
    )
    const id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
    const insert = {
      bytes: Buffer.from([0, 255]),
      at: new Date(1_700_000_000_123),
      day: '2026-02-28',
      flags: true,
      amount: '12345678901234567890.5',
      big: 2n ** 62n,
      tags: ['a"b', "c'd", '{}'],
      data: { nested: [1, 'x', null] },
      nothing: null,
    }
    await upsert(tx, { table: 'shop.typed', key: { id }, insert })
    const { rows } = await tx.query(
      `select bytes, at, day::text, flags, amount, big, tags, data, nothing from shop.typed`,
    )
    expect(rows).toEqual([{ ...insert, big: String(2n ** 62n) }])
  })

  test("a key without a unique constraint is the database's own error", async () => {
    const { tx } = await open.begin()
    expect(await stateOf(upsert(tx, { ...member('x', 1), key: { directory: 'hr' } }))).toBe('42P10')
  })
})

test.each<[string, Partial<UpsertOptions>, string]>([
  ['an increment in insert', { insert: { views: increment() } }, 'INVALID_SETTING'],
  ['onlyIfNewer that is not inserted', { onlyIfNewer: 'revision' }, 'INVALID_SETTING'],
  ['a key column in insert', { insert: { act_code: 'x' } }, 'INVALID_SETTING'],
  ['a key column in update', { update: { act_code: 'x' } }, 'INVALID_SETTING'],
  ['a key that is null', { key: { act_code: null as never } }, 'INVALID_SETTING'],
  ['a value that is not a number', { insert: { views: Number.NaN } }, 'PAYLOAD_NOT_ENCODABLE'],
  ['a value that is undefined', { insert: { views: undefined as never } }, 'PAYLOAD_NOT_ENCODABLE'],
  ['a text with a NUL', { insert: { note: 'a\0' } }, 'PAYLOAD_NOT_ENCODABLE'],
])('%s is refused before any statement', async (_what, options, code) => {
  const tx = { query: () => expect.unreachable() }
  expect((await refusalOf(upsert(tx, { ...view, ...options }))).code).toBe(code)
})
