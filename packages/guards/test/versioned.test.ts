import { expression, increment, type VersionedOptions, versioned } from '@oncebox/guards'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { all, grounds, migratedDatabase, refusalOf, type Sessions, sessions } from './kit.js'

const deduct = (version: VersionedOptions['version'], amount: number, id = '1'): VersionedOptions => ({
  table: 'shop.account',
  id,
  version,
  set: { money: increment(-amount) },
  where: expression`money >= ${amount}`,
  returning: ['money'],
})

describe.each(grounds)('versioned on Postgres $version with $library', ({ version, library }) => {
  let database: TestDatabase
  let open: Sessions
  beforeAll(async () => {
    database = await migratedDatabase(version)
  })
  afterAll(() => database?.drop())
  beforeEach(async () => {
    await database.pool.query('truncate shop.account; insert into shop.account (id, money) values (1, 100)')
    open = sessions(database, library)
  })
  afterEach(() => open[Symbol.asyncDispose]())

  test('applies to the version that was read and counts it up; after that the version is stale', async () => {
    const { tx, commit } = await open.begin()
    expect(await versioned(tx, deduct(1, 30))).toEqual({ outcome: 'applied', version: '2', row: { money: 70 } })
    expect(await versioned(tx, deduct(1, 30))).toEqual({ outcome: 'stale', version: '2', row: { money: 70 } })
    expect(await versioned(tx, deduct('2', 30))).toMatchObject({ outcome: 'applied', version: '3' })
    expect(await versioned(tx, deduct(3n, 30))).toMatchObject({ outcome: 'applied', version: '4' })
    await commit()
  })

  test('a deduction that would leave less than nothing is refused, a row that is not there too', async () => {
    const { tx } = await open.begin()
    expect(await versioned(tx, deduct(1, 101))).toEqual({
      outcome: 'refused',
      reason: 'condition',
      version: '1',
      row: { money: 100 },
    })
    expect(await versioned(tx, deduct(1, 100))).toMatchObject({ outcome: 'applied', row: { money: 0 } })
    expect(await versioned(tx, deduct(1, 1, '9'))).toEqual({ outcome: 'refused', reason: 'missing' })
  })

  test('the second of two with the same version waits, then is stale', async () => {
    const first = await open.begin()
    await versioned(first.tx, deduct(1, 30))
    const second = await open.begin()
    const waiting = versioned(second.tx, deduct(1, 30))
    await second.waits()
    await first.commit()
    expect(await waiting).toMatchObject({ outcome: 'stale', version: '2', row: { money: 70 } })
  })

  test('50 concurrent deductions that read, deduct and begin again when stale: exact, and never negative', async () => {
    const succeeded = await Promise.all(
      Array.from({ length: 50 }, async () => {
        for (;;) {
          const { tx, commit } = await open.begin()
          const { rows } = await tx.query<{ version: string }>('select version::text from shop.account where id = 1')
          const result = await versioned(tx, deduct(String(rows[0]?.version), 3))
          await commit()
          if (result.outcome !== 'stale') return result.outcome === 'applied'
        }
      }),
    )
    expect(succeeded.filter(Boolean)).toHaveLength(33)
    expect(await all(database, 'select money, version from shop.account')).toEqual([{ money: 1, version: 34 }])
  })

  test('versions of 64 bits, and a version column of another name', async () => {
    const { tx } = await open.begin()
    await tx.query('create table shop.wide (id int primary key, revision bigint, note text)')
    await tx.query('insert into shop.wide values (1, 9007199254740993)')
    const base = { table: 'shop.wide', id: 1, versionColumn: 'revision', set: { note: 'new' } }
    expect(await versioned(tx, { ...base, version: '9007199254740992' })).toMatchObject({ outcome: 'stale' })
    expect(await versioned(tx, { ...base, version: '9007199254740993' })).toMatchObject({
      outcome: 'applied',
      version: '9007199254740994',
    })
  })
})

test.each<[string, Partial<VersionedOptions>]>([
  ['a version that is no number', { version: "1' or '1'='1" }],
  ['a version with a fraction', { version: 1.5 }],
  ['setting the version', { set: { version: 7 } }],
  ['setting the id', { set: { id: 7 } }],
])('%s is refused before any statement', async (_what, options) => {
  const tx = { query: () => expect.unreachable() }
  expect((await refusalOf(versioned(tx, { ...deduct(1, 1), ...options }))).code).toBe('INVALID_SETTING')
})
