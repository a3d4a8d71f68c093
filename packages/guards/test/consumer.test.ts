import { defineMessages, encodeHeaders, localIds } from '@oncebox/core'
import { kyselyDatabase } from '@oncebox/core/kysely'
import { pgDatabase } from '@oncebox/core/pg'
import { businessKey, expression, increment, transition, uniqueViolation } from '@oncebox/guards'
import { createConsumer } from '@oncebox/inbox'
import { until } from '@oncebox/testkit'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { memoryTransport } from '@oncebox/transport/memory'
import { Kysely, PostgresDialect } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { all, asConsumer, migratedDatabase, refusalOf } from './kit.js'

const messages = defineMessages({
  'payment.requested': { topic: 'payments', schema: z.object({ serial: z.string() }), key: ({ serial }) => serial },
})

let database: TestDatabase
beforeAll(async () => {
  database = await migratedDatabase()
})
afterAll(() => database?.drop())

/** Sends a request for each serial, every one in a message of its own. */
async function sent(serials: readonly string[]) {
  const transport = memoryTransport({ partitions: 1 })
  transport.createTopic('payments')
  await transport.publisher().publish(
    serials.map((serial) => ({
      topic: 'payments',
      partition: 0,
      key: Buffer.from(serial),
      value: Buffer.from(JSON.stringify({ serial })),
      headers: encodeHeaders({
        position: '1',
        id: localIds.next(),
        source: 'shop',
        topic: 'payments',
        key: serial,
        type: 'payment.requested',
        headers: null,
        payload: null,
        contentType: 'application/json',
        createdAt: new Date().toISOString(),
      }).map(([name, value]) => [name, Buffer.from(value)] as const),
    })),
  )
  return transport
}

test('in a consumer: messages of different ids pay once, and a batch with more keys than allowed goes on in parts', async () => {
  const serials = Array.from({ length: 150 }, (_, index) => `P-${index}`)
  const transport = await sent([...serials, ...serials])
  const consumer = createConsumer({
    db: pgDatabase(asConsumer(database)),
    subscriber: transport.subscriber(),
    group: 'payments',
    messages,
    batchMessages: 1_000,
    backoff: { minMs: 1, maxMs: 5 },
    handlers: {
      'payment.requested': async ({ data: { serial } }, { tx }) => {
        await businessKey(tx, { scope: 'payment', key: serial, maxKeys: 100 }, () =>
          tx.query('insert into shop.payment (serial, cents) values ($1, 1)', [serial]).then(() => undefined),
        )
      },
    },
  })
  await consumer.start()
  await until(() => transport.committed('payments', 'payments', 0) === 300, { what: 'everything to be handled' })
  await consumer.stop()
  expect(consumer.counters()).toMatchObject({ handled: 300, deadLettered: 0, failedAttempts: 0, parked: 0 })
  expect(consumer.counters().conflicts).toBeGreaterThan(0)
  expect(await all(database, 'select count(*)::int, count(distinct serial)::int as serials from shop.payment')).toEqual(
    [{ count: 150, serials: 150 }],
  )
})

test('a message that by itself asks for more keys than allowed is at fault, and a dead letter after its attempts', async () => {
  const transport = await sent(['greedy', 'modest'])
  const consumer = createConsumer({
    db: pgDatabase(asConsumer(database)),
    subscriber: transport.subscriber(),
    group: 'greedy',
    messages,
    attempts: 2,
    backoff: { minMs: 1, maxMs: 5 },
    poison: 'skip',
    handlers: {
      'payment.requested': async ({ data: { serial } }, { tx }) => {
        const keys = serial === 'greedy' ? ['1', '2', '3'] : ['4']
        for (const key of keys) await businessKey(tx, { scope: 'greedy', key, maxKeys: 2 }, () => undefined)
      },
    },
  })
  await consumer.start()
  await until(() => transport.committed('greedy', 'payments', 0) === 2, { what: 'both to be settled' })
  await consumer.stop()
  expect(consumer.counters()).toMatchObject({ handled: 1, deadLettered: 1, failedAttempts: 2 })
})

test("with Kysely's own transaction beside the guard, in a handler that is delivered by hand", async () => {
  const kysely = new Kysely<{ 'shop.coupon': { id: string; state: string; uses: number } }>({
    dialect: new PostgresDialect({ pool: asConsumer(database) }),
  })
  const consumer = createConsumer({
    db: kyselyDatabase(kysely),
    subscriber: memoryTransport().subscriber(),
    group: 'coupons',
    messages,
    handlers: {
      'payment.requested': async ({ data }, { trx, tx }) => {
        await trx.insertInto('shop.coupon').values({ id: data.serial, state: 'unused', uses: 0 }).execute()
        const { outcome } = await transition(tx, {
          table: 'shop.coupon',
          id: data.serial,
          column: 'state',
          from: 'unused',
          to: 'redeemed',
          where: expression`uses = 0`,
          set: { uses: increment() },
        })
        expect(outcome).toBe('applied')
      },
    },
  })
  await kysely.transaction().execute(async (trx) => {
    const result = await consumer.deliver({ type: 'payment.requested', data: { serial: 'C-1' } }, trx)
    expect(result).toEqual({ outcome: 'handled' })
  })
  expect(await all(database, 'select state::text, uses from shop.coupon')).toEqual([{ state: 'redeemed', uses: 1 }])
})

test('the unique index behind the guard is recognized outside of the transaction, which is rolled back whole', async () => {
  await database.pool.query('create unique index payment_serial on shop.payment (serial)')
  const db = pgDatabase(asConsumer(database))
  const twice = db.transaction(async ({ tx }) => {
    for (const scope of ['one', 'other']) {
      await businessKey(tx, { scope, key: 'S' }, () =>
        tx.query(`insert into shop.payment (serial, cents) values ('S', 1)`).then(() => undefined),
      )
    }
  })
  const error = await twice.catch((thrown: unknown) => thrown)
  expect(uniqueViolation(error, 'payment_serial')).toBe(true)
  expect(await all(database, `select from shop.payment where serial = 'S'`)).toEqual([])
  expect((await refusalOf(db.transaction(({ tx }) => businessKey(tx, { scope: '', key: 'S' }, () => 1)))).code).toBe(
    'INVALID_SETTING',
  )
})
