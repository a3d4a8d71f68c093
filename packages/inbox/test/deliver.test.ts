import { type Database, localIds, type Tx } from '@oncebox/core'
import { kyselyDatabase } from '@oncebox/core/kysely'
import { batch, createConsumer } from '@oncebox/inbox'
import type { TestDatabase } from '@oncebox/testkit/harness'
import { memoryTransport } from '@oncebox/transport/memory'
import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import type { ClientBase } from 'pg'
import { afterEach, describe, expect, expectTypeOf, test } from 'vitest'
import { asConsumer, type Bench, bench, businessDatabase, deposit, messages } from './fixture.js'

interface Tables {
  effect: { message_id: string; account: string; amount: number }
}

describe('consumer.deliver, for users’ tests', () => {
  let database: TestDatabase | undefined

  async function open(): Promise<Bench> {
    database = await businessDatabase()
    return bench(database)
  }

  afterEach(async () => {
    await database?.drop()
    database = undefined
  })

  test('runs a message inside the caller’s transaction, which takes everything back', async () => {
    const it = await open()
    const consumer = it.consumer({})
    const client = await asConsumer(it.database).connect()
    await client.query('BEGIN')
    const message = { type: 'deposited', id: localIds.next(), data: { account: 'a', amount: 2 } } as const
    expect(await consumer.deliver(message, client)).toEqual({ outcome: 'handled' })
    expect(await consumer.deliver(message, client)).toEqual({ outcome: 'duplicate' })
    expect(await consumer.deliver({ type: 'viewed', data: { page: '/' } }, client)).toEqual({ outcome: 'ignored' })
    expect(await consumer.deliver({ type: 'deposited', data: { account: 1 } as never }, client)).toEqual({
      outcome: 'deadLettered',
      reason: 'SCHEMA_MISMATCH',
    })
    expect((await client.query('SELECT account, attempt FROM effect')).rows).toEqual([{ account: 'a', attempt: 1 }])
    await client.query('ROLLBACK')
    client.release()
    expect(await it.effects()).toEqual([])
    expect((await it.database.pool.query('SELECT FROM oncebox.inbox')).rows).toEqual([])
  })

  test('throws the handler’s own error, and names a handler that swallows one of SQL', async () => {
    const it = await open()
    const failure = new Error('mine')
    const throwing = it.consumer({ handlers: { deposited: () => Promise.reject(failure) } })
    await expect(throwing.deliver({ type: 'deposited', data: { account: 'a', amount: 1 } })).rejects.toBe(failure)
    const swallowing = it.consumer({
      handlers: { deposited: async (_, { trx }) => void (await trx.query('SELECT 1/0').catch(() => {})) },
    })
    await expect(swallowing.deliver({ type: 'deposited', data: { account: 'a', amount: 1 } })).rejects.toMatchObject({
      code: 'TRANSACTION_ABORTED',
    })
  })

  test('without a transaction of the caller it commits its own', async () => {
    const it = await open()
    await it.consumer({}).deliver({ type: 'deposited', data: { account: 'a', amount: 1 } })
    expect(await it.effects()).toHaveLength(1)
  })

  test('G3: with Kysely as the database, effects and ids commit together', async () => {
    const it = await open()
    const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: asConsumer(it.database) }) })
    const sent = [deposit('a'), deposit('b'), deposit('c')]
    let failures = 1
    const consumer = createConsumer({
      db: kyselyDatabase(db),
      subscriber: it.transport.subscriber(),
      group: 'bank',
      messages,
      backoff: { minMs: 1, maxMs: 1 },
      poison: 'skip',
      handlers: {
        deposited: async ({ id, data }, { trx, tx }) => {
          await trx
            .insertInto('effect')
            .values({ message_id: id, ...data })
            .execute()
          await tx.query('SELECT 1')
          if (data.account === 'b' && failures-- > 0) throw new Error('not yet')
        },
      },
    })
    await it.send([...sent, ...sent])
    await consumer.start()
    await it.drained()
    await consumer.stop()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.map(({ id }) => id))
    await db
      .transaction()
      .execute(async (trx) => {
        await consumer.deliver({ type: 'deposited', data: { account: 'd', amount: 1 } }, trx)
        throw new Error('roll back')
      })
      .catch(() => {})
    expect(await it.effects()).toHaveLength(3)
  })

  test('handlers get the contract’s data and the library’s own transaction, checked by the compiler', () => {
    const subscriber = memoryTransport().subscriber()
    const kysely = kyselyDatabase(null as never as Kysely<Tables>)
    const options = { subscriber, group: 'types', messages }
    createConsumer({
      ...options,
      db: kysely,
      handlers: {
        deposited: (message, { trx, attempt }) => {
          expectTypeOf(message.data).toEqualTypeOf<{ account: string; amount: number }>()
          expectTypeOf(trx).toEqualTypeOf<Transaction<Tables>>()
          expectTypeOf(attempt).toEqualTypeOf<number>()
        },
        viewed: batch((_, { tx }) => {
          expectTypeOf(tx).toEqualTypeOf<Tx>()
        }),
      },
    })
    createConsumer<typeof messages, Transaction<Tables>>({
      ...options,
      db: kysely,
      handlers: {
        viewed: batch((received, { trx }) => {
          expectTypeOf(received[0]?.data).toEqualTypeOf<{ page: string } | undefined>()
          expectTypeOf(trx).toEqualTypeOf<Transaction<Tables>>()
        }),
      },
    })
    const pg = createConsumer({
      ...options,
      db: { ...kysely } as never as Database<ClientBase>,
      handlers: {
        erased: (message, { trx }) => {
          expectTypeOf(message.data).toEqualTypeOf<null>()
          expectTypeOf(trx).toEqualTypeOf<ClientBase>()
        },
      },
    })
    void (() =>
      createConsumer({
        ...options,
        db: kysely,
        // @ts-expect-error: no contract has this type
        handlers: { unheard: () => {} },
      }))
    // @ts-expect-error: the data does not fit the contract
    void (() => pg.deliver({ type: 'deposited', data: { account: 1 } }))
    // @ts-expect-error: no contract has this type
    void (() => pg.deliver({ type: 'unheard', data: null }))
  })
})
