import { expression, increment, type TransitionOptions, transition } from '@oncebox/guards'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { all, grounds, migratedDatabase, refusalOf, type Sessions, sessions, stateOf, terminate } from './kit.js'

const redeem = (id: string, by = 'ann'): TransitionOptions => ({
  table: 'shop.coupon',
  id,
  column: 'state',
  from: ['unused', 'reserved'],
  to: 'redeemed',
  where: expression`valid_until > ${new Date()}`,
  set: { redeemed_by: by, uses: increment() },
  returning: ['redeemed_by'],
})

describe.each(grounds)('transition on Postgres $version with $library', ({ version, library }) => {
  let database: TestDatabase
  let open: Sessions
  beforeAll(async () => {
    database = await migratedDatabase(version)
  })
  afterAll(() => database?.drop())
  beforeEach(async () => {
    await database.pool.query(
      `truncate shop.coupon;
       insert into shop.coupon (id, state, valid_until) values
         ('fresh', 'unused', 'infinity'), ('held', 'reserved', 'infinity'), ('late', 'unused', '2020-01-01'),
         ('void', 'void', 'infinity'), ('blank', null, 'infinity')`,
    )
    open = sessions(database, library)
  })
  afterEach(() => open[Symbol.asyncDispose]())

  const coupon = (id: string) =>
    all(database, `select state::text, redeemed_by, uses from shop.coupon where id = '${id}'`)

  test('a coupon is redeemed once, from any state of the list; then it is already redeemed, and by whom', async () => {
    const { tx, commit } = await open.begin()
    for (const id of ['fresh', 'held']) {
      expect(await transition(tx, redeem(id))).toEqual({ outcome: 'applied', row: { redeemed_by: 'ann' } })
      expect(await transition(tx, redeem(id, 'bob'))).toEqual({ outcome: 'already', row: { redeemed_by: 'ann' } })
    }
    await commit()
    expect(await coupon('fresh')).toEqual([{ state: 'redeemed', redeemed_by: 'ann', uses: 1 }])
  })

  test('refused is told apart: another state, a condition that does not hold, no such row', async () => {
    const { tx } = await open.begin()
    expect(await transition(tx, redeem('void'))).toEqual({
      outcome: 'refused',
      reason: 'state',
      state: 'void',
      row: { redeemed_by: null },
    })
    expect(await transition(tx, redeem('late'))).toMatchObject({ reason: 'condition', state: 'unused' })
    expect(await transition(tx, redeem('none'))).toEqual({ outcome: 'refused', reason: 'missing' })
    expect(await transition(tx, redeem('blank'))).toMatchObject({ reason: 'state', state: null })
  })

  test('NULL is a state like any other, on either side', async () => {
    const { tx } = await open.begin()
    const base = { table: 'shop.coupon', id: 'blank', column: 'state' } as const
    expect(await transition(tx, { ...base, from: [null, 'void'], to: 'unused' })).toMatchObject({ outcome: 'applied' })
    expect(await transition(tx, { ...base, from: 'unused', to: null })).toMatchObject({ outcome: 'applied' })
    expect(await transition(tx, { ...base, from: 'unused', to: null })).toMatchObject({ outcome: 'already' })
  })

  test('the second of two waits for the first: already when it commits, applied when it is rolled back or killed', async () => {
    for (const [end, outcome] of [
      ['commit', 'already'],
      ['rollback', 'applied'],
      ['kill', 'applied'],
    ] as const) {
      await database.pool.query(`update shop.coupon set state = 'unused', redeemed_by = null where id = 'fresh'`)
      const first = await open.begin()
      await transition(first.tx, redeem('fresh', 'ann'))
      const second = await open.begin()
      const waiting = transition(second.tx, redeem('fresh', 'bob'))
      await second.waits()
      await (end === 'kill' ? terminate(database, first.pid) : first[end]())
      expect(await waiting).toEqual({ outcome, row: { redeemed_by: outcome === 'already' ? 'ann' : 'bob' } })
      await second.commit()
    }
  })

  test('a row that becomes free between the update and the look is taken after all', async () => {
    await database.pool.query(`update shop.coupon set state = 'void' where id = 'fresh'`)
    const { tx, commit } = await open.begin()
    let looks = 0
    const meddled: typeof tx = {
      async query(text, values) {
        if (/^\s*SELECT/.test(text) && looks++ === 0) {
          await database.pool.query(`update shop.coupon set state = 'unused' where id = 'fresh'`)
        }
        return tx.query(text, values)
      },
    }
    expect(await transition(meddled, redeem('fresh'))).toMatchObject({ outcome: 'applied' })
    await commit()
    expect(await coupon('fresh')).toEqual([{ state: 'redeemed', redeemed_by: 'ann', uses: 1 }])
  })

  test('above READ COMMITTED a concurrent change is a serialization failure, never a second redemption', async () => {
    const strict = await open.begin('repeatable read')
    await strict.tx.query('select 1 from shop.coupon')
    const first = await open.begin()
    await transition(first.tx, redeem('fresh'))
    await first.commit()
    expect(await stateOf(transition(strict.tx, redeem('fresh', 'bob')))).toBe('40001')
  })

  test('states that are texts, numbers or booleans, ids of other columns, names that need quotes', async () => {
    const { tx } = await open.begin()
    await tx.query(
      `create table shop."Odd ""table"".x" ("Tenant Id" int, "code" uuid, "is ""open""" boolean, step int, primary key ("Tenant Id", "code"))`,
    )
    const code = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
    await tx.query(`insert into shop."Odd ""table"".x" values (1, $1, true, 1), (2, $1, true, 1)`, [code])
    const table = { schema: 'shop', name: 'Odd "table".x' }
    const id = { 'Tenant Id': 1, code }
    expect(
      await transition(tx, { table, id, column: 'is "open"', from: true, to: false, set: { step: increment(2) } }),
    ).toMatchObject({ outcome: 'applied' })
    expect(await transition(tx, { table, id, column: 'step', from: [1, 3], to: 4 })).toMatchObject({
      outcome: 'applied',
    })
    const { rows } = await tx.query(`select "is ""open""" as open, step from shop."Odd ""table"".x" order by 1`)
    expect(rows).toEqual([
      { open: false, step: 4 },
      { open: true, step: 1 },
    ])
    const several = transition(tx, { table, id: { code }, column: 'step', from: [1, 4], to: 9 })
    expect((await refusalOf(several)).message).toContain('fits more than one row')
  })

  test('the row is found by the index of its key, update and look alike', async () => {
    const { tx } = await open.begin()
    await tx.query(`insert into shop.coupon (id, state) select 'n' || n, 'unused' from generate_series(1, 5000) as n`)
    const plans: string[] = []
    const explained: typeof tx = {
      async query(text, values) {
        const { rows } = await tx.query(`explain ${text}`, values)
        plans.push(JSON.stringify(rows))
        return tx.query(text, values)
      },
    }
    await transition(explained, redeem('n7'))
    await transition(explained, redeem('n7'))
    expect(plans).toHaveLength(3)
    for (const plan of plans) {
      expect(plan).toMatch(/Index Scan (using coupon_pkey )?on coupon/)
      expect(plan).not.toMatch(/Seq Scan/)
    }
  })

  test('hostile values are values: they change nothing but what they stand for', async () => {
    const { tx, commit } = await open.begin()
    const hostile = `'); drop table shop.coupon; --`
    const attempt = transition(tx, {
      ...redeem('fresh', hostile),
      where: expression`coalesce(redeemed_by, '') <> ${hostile}`,
    })
    expect(await attempt).toEqual({ outcome: 'applied', row: { redeemed_by: hostile } })
    expect(await transition(tx, redeem(hostile))).toMatchObject({ reason: 'missing' })
    await commit()
  })
})

test.each<[string, Partial<TransitionOptions>]>([
  ['no state to leave', { from: [] }],
  ['leaving for the same state', { from: ['redeemed', 'unused'] }],
  ['setting the state twice', { set: { state: 'void' } }],
  ['setting the id', { set: { id: 'other' } }],
  ['an id that is null', { id: { id: null } }],
  ['an id of no column', { id: {} }],
  ['a table name with two dots', { table: 'a.b.c' }],
  ['an empty table name', { table: '' }],
  ['an increment as a condition', { where: increment() }],
])('%s is refused before any statement', async (_what, options) => {
  const tx = { query: () => expect.unreachable() }
  expect((await refusalOf(transition(tx, { ...redeem('x'), ...options }))).code).toBe('INVALID_SETTING')
})
