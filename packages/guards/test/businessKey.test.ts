import { pgDatabase } from '@oncebox/core/pg'
import { businessKey, deleteExpiredBusinessKeys, type Recorded } from '@oncebox/guards'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import {
  all,
  asConsumer,
  grounds,
  migratedDatabase,
  type OpenTransaction,
  refusalOf,
  type Sessions,
  sessions,
  terminate,
} from './kit.js'

const key = { scope: 'payment', key: 'P-1' }

/** The effect: a row that nothing keeps from being written twice. */
async function pay({ tx }: OpenTransaction, by: string): Promise<{ by: string }> {
  await tx.query('insert into shop.payment (serial, cents) values ($1, 100)', [key.key])
  return { by }
}

describe.each(grounds)('businessKey on Postgres $version with $library', ({ version, library }) => {
  let database: TestDatabase
  let open: Sessions
  beforeAll(async () => {
    database = await migratedDatabase(version)
  })
  afterAll(() => database?.drop())
  beforeEach(async () => {
    await database.pool.query('truncate oncebox.business_key, shop.payment')
    open = sessions(database, library)
  })
  afterEach(() => open[Symbol.asyncDispose]())

  const payments = () => all(database, 'select serial from shop.payment')

  test('the first caller works, the second is told what the first recorded', async () => {
    const first = await open.begin()
    expect(await businessKey(first.tx, key, () => pay(first, 'first'))).toEqual({
      outcome: 'applied',
      result: { by: 'first' },
    })
    await first.commit()
    const second = await open.begin()
    expect(await businessKey(second.tx, key, () => pay(second, 'second'))).toEqual({
      outcome: 'duplicate',
      result: { by: 'first' },
    })
    await second.commit()
    expect(await payments()).toHaveLength(1)
  })

  test('of two workers racing on one key, one works and the other waits, then reports a duplicate with its result', async () => {
    const first = await open.begin()
    await businessKey(first.tx, key, () => pay(first, 'first'))
    const second = await open.begin()
    const waiting = businessKey(second.tx, key, () => pay(second, 'second'))
    await second.waits()
    await first.commit()
    expect(await waiting).toEqual({ outcome: 'duplicate', result: { by: 'first' } })
    await second.commit()
    expect(await payments()).toHaveLength(1)
  })

  test('when the first is rolled back, the one that waited does the work', async () => {
    const first = await open.begin()
    await businessKey(first.tx, key, () => pay(first, 'first'))
    const second = await open.begin()
    const waiting = businessKey(second.tx, key, () => pay(second, 'second'))
    await second.waits()
    await first.rollback()
    expect(await waiting).toEqual({ outcome: 'applied', result: { by: 'second' } })
    await second.commit()
    expect(await payments()).toHaveLength(1)
  })

  test('when the first is killed holding the lock, the one that waited does the work', async () => {
    const first = await open.begin()
    await businessKey(first.tx, key, () => pay(first, 'first'))
    const second = await open.begin()
    const waiting = businessKey(second.tx, key, () => pay(second, 'second'))
    await second.waits()
    await terminate(database, first.pid)
    expect(await waiting).toEqual({ outcome: 'applied', result: { by: 'second' } })
    await second.commit()
    expect(await payments()).toHaveLength(1)
  })

  test('another key, another scope and another schema name do not wait', async () => {
    const first = await open.begin()
    await businessKey(first.tx, key, () => pay(first, 'first'))
    const second = await open.begin()
    for (const other of [
      { scope: 'payment', key: 'P-2' },
      { scope: 'refund', key: 'P-1' },
      { scope: 'payment","P', key: '1' },
    ]) {
      expect((await businessKey(second.tx, other, () => 1)).outcome).toBe('applied')
    }
  })

  test('work that throws records nothing, and the key is free again after the rollback', async () => {
    const first = await open.begin()
    const failure = new Error('declined')
    await expect(
      businessKey(first.tx, key, () => {
        throw failure
      }),
    ).rejects.toBe(failure)
    await first.rollback()
    const second = await open.begin()
    expect((await businessKey(second.tx, key, () => pay(second, 'second'))).outcome).toBe('applied')
    await second.commit()
    expect(await all(database, 'select key from oncebox.business_key')).toEqual([{ key: 'P-1' }])
  })

  test('a savepoint that is rolled back takes lock and record with it', async () => {
    const first = await open.begin()
    await first.tx.query('savepoint before')
    await businessKey(first.tx, key, () => pay(first, 'undone'))
    await first.tx.query('rollback to savepoint before')
    const second = await open.begin()
    expect((await businessKey(second.tx, key, () => pay(second, 'second'))).outcome).toBe('applied')
    await second.commit()
    expect(await businessKey(first.tx, key, () => pay(first, 'again'))).toMatchObject({ outcome: 'duplicate' })
  })

  test('within one transaction the second call is a duplicate', async () => {
    const only = await open.begin()
    await businessKey(only.tx, key, () => pay(only, 'first'))
    expect((await businessKey(only.tx, key, () => pay(only, 'second'))).outcome).toBe('duplicate')
    await only.commit()
    expect(await payments()).toHaveLength(1)
  })

  test('asking for a key inside the work of the same key is refused, and so is asking twice at once', async () => {
    const only = await open.begin()
    const nested = businessKey(only.tx, key, () => businessKey(only.tx, key, () => pay(only, 'inner')))
    expect((await refusalOf(nested)).code).toBe('BUSINESS_KEY_TAKEN')
    await only.rollback()
    const other = await open.begin()
    const both = await Promise.allSettled([1, 2].map(() => businessKey(other.tx, key, () => pay(other, 'x'))))
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await other.rollback()
    expect(await payments()).toEqual([])
  })

  test.each(['repeatable read', 'serializable'] as const)(
    'a transaction of %s is refused and left as it was',
    async (isolation) => {
      const strict = await open.begin(isolation)
      const refusal = await refusalOf(businessKey(strict.tx, key, () => pay(strict, 'x')))
      expect(refusal.code).toBe('ISOLATION_TOO_STRICT')
      const locks = await strict.tx.query(
        "select 1 from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'",
      )
      expect(locks.rows).toEqual([])
      await strict.commit()
    },
  )

  test('a transaction holds at most maxKeys keys, and the next one begins from none', async () => {
    const first = await open.begin()
    const ask = (tx: OpenTransaction['tx'], number: number) =>
      businessKey(tx, { scope: 'many', key: String(number), maxKeys: 3 }, () => number)
    for (const number of [1, 2, 3]) await ask(first.tx, number)
    const refusal = await refusalOf(ask(first.tx, 4))
    expect(refusal).toMatchObject({ code: 'TOO_MANY_BUSINESS_KEYS', retryable: true })
    await first.commit()
    const second = await open.begin()
    expect((await ask(second.tx, 4)).outcome).toBe('applied')
    await second.commit()
  })

  test('results come back as JSON keeps them, to the first caller as to the second', async () => {
    const results = [null, 0, 'text', [1, null], { at: new Date(0), left: undefined }, '\u2028 "quoted"', undefined]
    const expected = [null, 0, 'text', [1, null], { at: '1970-01-01T00:00:00.000Z' }, '\u2028 "quoted"', undefined]
    for (const round of ['applied', 'duplicate']) {
      const session = await open.begin()
      for (const [index, result] of results.entries()) {
        expect(await businessKey(session.tx, { scope: 'results', key: String(index) }, () => result)).toEqual({
          outcome: round,
          result: expected[index],
        })
      }
      await session.commit()
    }
  })

  test('a result that cannot be recorded is refused by kind and size, not by its text', async () => {
    const session = await open.begin()
    const recording = (result: unknown) => refusalOf(businessKey(session.tx, key, () => result))
    expect((await recording({ secret: 1n })).message).toBe(
      'The result of a business key holds a bigint at (root).secret. Return what JSON can carry; roll this transaction back.',
    )
    expect((await recording(Number.NaN)).code).toBe('PAYLOAD_NOT_ENCODABLE')
    expect((await recording('x'.repeat(100_000))).code).toBe('PAYLOAD_TOO_LARGE')
  })

  test('expired keys are deleted in batches, the others stay; until then they count', async () => {
    const session = await open.begin()
    for (let number = 0; number < 25; number++) {
      await businessKey(session.tx, { scope: 'short', key: String(number), retentionMs: 1 }, () => number)
    }
    await businessKey(session.tx, { scope: 'long', key: '1' }, () => 1)
    await businessKey(session.tx, { scope: 'ever', key: '1', retentionMs: Number.POSITIVE_INFINITY }, () => 1)
    await session.commit()
    const later = await open.begin()
    expect((await businessKey(later.tx, { scope: 'short', key: '3' }, () => 0)).outcome).toBe('duplicate')
    await later.commit()
    const [expiry] = await all(
      database,
      `select extract(epoch from expires_at - recorded_at)::int as seconds from oncebox.business_key where scope = 'long'`,
    )
    expect(expiry).toEqual({ seconds: 90 * 86_400 })

    const db = pgDatabase(asConsumer(database))
    const counts = await Promise.all([1, 2].map(() => deleteExpiredBusinessKeys({ db, batchRows: 10 })))
    expect(counts.reduce((sum, { deletedRows }) => sum + deletedRows, 0)).toBe(25)
    expect(
      await all(database, 'select scope, expires_at::text from oncebox.business_key order by scope'),
    ).toMatchObject([{ scope: 'ever', expires_at: 'infinity' }, { scope: 'long' }])
    const after = await open.begin()
    expect((await businessKey(after.tx, { scope: 'short', key: '3' }, () => 7)).result).toBe(7)
  })
})

test('the type of a result is what has come back through JSON', () => {
  type Result = { at: Date; tags: readonly [string, number]; left?: number; none: null }
  const expected = { at: 'text', tags: ['a', 1], none: null } as const
  expectTypeOf(expected).toExtend<Recorded<Result>>()
  expectTypeOf<Recorded<Result>['at']>().toEqualTypeOf<string>()
  expectTypeOf<Recorded<undefined>>().toEqualTypeOf<undefined>()
  expectTypeOf<Recorded<unknown>>().toEqualTypeOf<unknown>()
  expectTypeOf<Recorded<void>>().toEqualTypeOf<void>()
  expectTypeOf<Recorded<'paid' | 'declined'>>().toEqualTypeOf<'paid' | 'declined'>()
})

test('outside of a transaction, where the lock would end with its statement, nothing is done', async () => {
  await using database = await migratedDatabase()
  const refusal = await refusalOf(businessKey(asConsumer(database), key, () => expect.unreachable()))
  expect(refusal).toMatchObject({
    code: 'INVALID_SETTING',
    message: expect.stringContaining('outside of a transaction'),
  })
  const client = await database.pool.connect()
  await client.query('begin')
  await businessKey(client, key, () => 1)
  await client.query('commit')
  expect((await refusalOf(businessKey(client, key, () => expect.unreachable()))).code).toBe('INVALID_SETTING')
  client.release()
})

test('a schema of another, hostile name works', async () => {
  const schema = `we"ird'; -- $1`
  await using database = await migratedDatabase(18, schema)
  await using open = sessions(database, 'pg', schema)
  const first = await open.begin()
  expect((await businessKey(first.tx, { ...key, schema }, () => 1)).outcome).toBe('applied')
  expect((await businessKey(first.tx, { ...key, schema }, () => 2)).result).toBe(1)
  await first.commit()
  expect(await deleteExpiredBusinessKeys({ db: pgDatabase(asConsumer(database, schema)), schema })).toEqual({
    deletedRows: 0,
  })
})

test.each([
  ['an empty scope', { scope: '', key: 'k' }],
  ['a scope that is too long', { scope: 's'.repeat(201), key: 'k' }],
  ['an empty key', { scope: 's', key: '' }],
  ['a key with a NUL', { scope: 's', key: 'a\0b' }],
  ['a key with half a character', { scope: 's', key: '\ud800' }],
  ['a key that is too long', { scope: 's', key: 'ä'.repeat(501) }],
  ['a retention of nothing', { scope: 's', key: 'k', retentionMs: 0 }],
])('%s is refused before any statement', async (_what, options) => {
  const tx = { query: () => expect.unreachable() }
  expect((await refusalOf(businessKey(tx, options, () => 1))).code).toBe('INVALID_SETTING')
  expect((await refusalOf(businessKey({} as never, key, () => 1))).code).toBe('INVALID_SETTING')
})
