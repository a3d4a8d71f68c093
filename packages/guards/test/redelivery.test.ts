import { classifyDatabaseError, type Database, isOnceboxError, type Tx } from '@oncebox/core'
import { kyselyDatabase } from '@oncebox/core/kysely'
import { pgDatabase } from '@oncebox/core/pg'
import { businessKey, expression, increment, transition, upsert, versioned } from '@oncebox/guards'
import { defaultRoles } from '@oncebox/schema'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { all, migratedDatabase } from './kit.js'

/** A delivery of a message: the same id comes several times. */
interface Delivery {
  readonly id: string
  readonly number: number
}

const workers = 8
const messages = 1_000
const copies = 3
const killEvery = 150

/**
 * Delivers every message several times, shuffled, to concurrent workers, each delivery in a transaction of its own,
 * while sessions are terminated at random. A delivery whose transaction fails, or whose COMMIT had no answer, comes
 * again. Answers how many sessions were killed.
 */
async function redeliver(database: TestDatabase, handle: (tx: Tx, delivery: Delivery) => Promise<unknown>) {
  const pool = new pg.Pool({
    connectionString: database.urlAs(defaultRoles().consumer),
    max: workers,
    application_name: 'redelivered',
  })
  const kysely = new Kysely<object>({ dialect: new PostgresDialect({ pool }) })
  // Half of the workers through either library; pgDatabase keeps the process alive when a connection is lost.
  const databases: Database<never>[] = [pgDatabase(pool) as never, kyselyDatabase(kysely) as never]
  const waiting = Array.from({ length: messages * copies }, (_, index) => ({ number: index % messages }))
    .map(({ number }) => ({ delivery: { id: uuidOf(number), number }, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ delivery }) => delivery)
  let handled = 0
  let killed = 0

  const killOne = async (): Promise<void> => {
    const { rowCount } = await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'redelivered' and datname = current_database() order by random() limit 1`,
    )
    killed += rowCount ?? 0
  }

  const work = async (db: Database<never>): Promise<void> => {
    for (let delivery = waiting.pop(); delivery !== undefined; delivery = waiting.pop()) {
      const current = delivery
      try {
        await db.transaction(({ tx }) => handle(tx, current))
        if (++handled % killEvery === 0) await killOne()
      } catch (error) {
        if (!mayComeAgain(error)) throw error
        waiting.push(delivery)
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: workers }, (_, index) => work(databases[index % 2] as Database<never>)))
  } finally {
    await kysely.destroy()
  }
  expect(handled).toBeGreaterThanOrEqual(messages * copies)
  expect(killed).toBeGreaterThan(10)
}

function mayComeAgain(error: unknown): boolean {
  return (
    isOnceboxError(error, 'DATABASE_UNREACHABLE') || ['unavailable', 'conflict'].includes(classifyDatabaseError(error))
  )
}

function uuidOf(number: number): string {
  return `01900000-0000-7000-8000-${String(number).padStart(12, '0')}`
}

describe('G3: delivered three times each, to eight workers whose sessions are killed at random', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await migratedDatabase()
  })
  afterAll(() => database?.drop())
  beforeEach(async () => {
    await database.pool.query(
      `truncate oncebox.business_key, oncebox.inbox, shop.payment, shop.coupon, shop.account, shop.views, shop.member`,
    )
  })

  test('businessKey: every serial number is paid once, though messages of different ids share it', async () => {
    const serials = messages / 4
    await redeliver(database, async (tx, { number }) => {
      const serial = `P-${number % serials}`
      const { result } = await businessKey(tx, { scope: 'payment', key: serial }, async () => {
        const { rows } = await tx.query<{ number: string }>(
          'insert into shop.payment (serial, cents) values ($1, 100) returning number::text',
          [serial],
        )
        return { payment: rows[0]?.number, serial }
      })
      expect(result.serial).toBe(serial)
    })
    expect(
      await all(database, 'select count(*)::int, count(distinct serial)::int as serials from shop.payment'),
    ).toEqual([{ count: serials, serials }])
    // What was recorded is what was done.
    const wrong = `select 1 from oncebox.business_key full join shop.payment on serial = key
      where (result ->> 'payment')::bigint is distinct from number`
    expect(await all(database, wrong)).toEqual([])
  }, 120_000)

  test('transition: every coupon is redeemed once, the expired ones never', async () => {
    await database.pool.query(
      `insert into shop.coupon (id, state, valid_until)
       select 'C-' || n, 'unused', case when n % 10 = 0 then now() - interval '1 day' else 'infinity' end
       from generate_series(0, $1::int - 1) as n`,
      [messages],
    )
    const outcomes = new Map<string, number>()
    await redeliver(database, async (tx, { number }) => {
      const { outcome } = await transition(tx, {
        table: 'shop.coupon',
        id: `C-${number}`,
        column: 'state',
        from: 'unused',
        to: 'redeemed',
        where: expression`valid_until > now()`,
        set: { uses: increment() },
      })
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    })
    const states = 'select state::text, uses, count(*)::int from shop.coupon group by 1, 2 order by 2'
    expect(await all(database, states)).toEqual([
      { state: 'unused', uses: 0, count: messages / 10 },
      { state: 'redeemed', uses: 1, count: messages - messages / 10 },
    ])
    expect([...outcomes.keys()].sort()).toEqual(['already', 'applied', 'refused'])
  }, 120_000)

  test('versioned: every account is charged once for the version that the message names', async () => {
    await database.pool.query(
      `insert into shop.account (id, money) select n, n % 20 from generate_series(0, $1::int - 1) as n`,
      [messages],
    )
    await redeliver(database, (tx, { number }) =>
      versioned(tx, {
        table: 'shop.account',
        id: number,
        version: 1,
        set: { money: increment(-10) },
        where: expression`money >= ${10}`,
      }),
    )
    const wrong = `select * from shop.account
      where money <> case when id % 20 >= 10 then id % 20 - 10 else id % 20 end
        or version <> case when id % 20 >= 10 then 2 else 1 end`
    expect(await all(database, wrong)).toEqual([])
  }, 120_000)

  test('upsert of a counter with the inbox id: every view counts once', async () => {
    await redeliver(database, async (tx, { id, number }) => {
      const { rows } = await tx.query(
        `insert into oncebox.inbox (consumer, message_id) values ('statistics', $1::text::uuid) on conflict do nothing returning 1`,
        [id],
      )
      if (rows.length === 0) return
      await upsert(tx, {
        table: 'shop.views',
        key: { act_code: 'sale', user_id: number % 50 },
        insert: { views: 1 },
        update: { views: increment() },
      })
    })
    expect(await all(database, 'select distinct views::text, count(*) over ()::int as users from shop.views')).toEqual([
      { views: String(messages / 50), users: 50 },
    ])
  }, 120_000)

  test('upsert of the newest: whatever comes last, the newest revision stays', async () => {
    await redeliver(database, (tx, { number }) =>
      upsert(tx, {
        table: 'shop.member',
        key: { directory: 'hr', number: number % 50 },
        insert: { name: `r${number}`, revision: number },
        onlyIfNewer: 'revision',
      }),
    )
    const newest =
      'select count(*)::int from shop.member where revision = $1::int - 50 + number and name = $2 || revision'
    expect((await database.pool.query(newest, [messages, 'r'])).rows).toEqual([{ count: 50 }])
  }, 120_000)
})
