import { batch, type ConsumerEvent } from '@oncebox/inbox'
import { until } from '@oncebox/testkit'
import { postgresVersions, type TestDatabase } from '@oncebox/testkit/harness'
import type { ClientBase } from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { type Bench, bench, businessDatabase, consumerUrl, deposit, depositInto } from './fixture.js'

describe.each(postgresVersions)('on Postgres %i', (version) => {
  let database: TestDatabase | undefined
  const stops: (() => Promise<void>)[] = []

  async function open(): Promise<Bench> {
    database = await businessDatabase(version)
    return bench(database)
  }

  function running(it: Bench, overrides: Parameters<Bench['consumer']>[0] = {}) {
    // The partition waits for a message that fails; what parks its key instead is in park.test.ts.
    const consumer = it.consumer({ poison: 'skip', ...overrides })
    stops.push(() => consumer.stop())
    return consumer
  }

  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
    await database?.drop()
    database = undefined
  })

  test('a message that fails three times is told its attempt, then has its effect once, in its place', async () => {
    const it = await open()
    const sent = Array.from({ length: 9 }, (_, index) => deposit(String(index)))
    await it.send(sent)
    const attempts: number[] = []
    const consumer = running(it, {
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          if (message.id !== sent[4]?.id) return
          attempts.push(context.attempt)
          if (context.attempt <= 3) throw new Error('not yet')
        },
      },
    })
    await consumer.start()
    await it.drained()
    expect(attempts).toEqual([1, 2, 3, 4])
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.map(({ id }) => id))
    expect(consumer.counters()).toMatchObject({ failedAttempts: 3, deadLettered: 0, handled: 9 })
    expect((await it.database.pool.query('SELECT FROM oncebox.attempt')).rows).toHaveLength(0)
  })

  test('a message that fails for ever goes to the dead letters whole; its neighbours have their effects', async () => {
    const it = await open()
    const sent = Array.from({ length: 9 }, (_, index) => deposit(String(index)))
    const bad = sent[4] as ReturnType<typeof deposit>
    await it.send([...sent, bad])
    const calls: number[] = []
    const events: ConsumerEvent[] = []
    await running(it, {
      attempts: 3,
      onEvent: (event) => events.push(event),
      handlers: {
        deposited: async (message, context) => {
          if (message.id === bad.id) {
            calls.push(context.attempt)
            await context.trx.query('SELECT no_such_column')
          }
          await depositInto(message, context)
        },
      },
    }).start()
    await it.drained()
    expect(calls).toEqual([1, 2, 3])
    const good = sent.filter(({ id }) => id !== bad.id).map(({ id }) => id)
    expect((await it.effects()).map((row) => row.message_id)).toEqual(good)
    const { rows } = await it.database.pool.query('SELECT * FROM oncebox.dead_letter')
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({
      message_id: bad.id,
      reason: 'HANDLER_FAILED',
      attempts: 3,
      consumer: 'bank',
      source: 'shop',
      topic: 'accounts',
      type: 'deposited',
      partition: 0,
      record_offset: '4',
      content_type: 'application/json',
    })
    expect(rows[0].error).toMatchObject({ code: '42703' })
    expect(rows[0].first_failed_at).toBeInstanceOf(Date)
    expect(String(rows[0].key)).toBe('4')
    expect(JSON.parse(String(rows[0].payload))).toEqual({ account: '4', amount: 1 })
    const header = rows[0].headers.find(([name]: [string]) => name === 'ce_id')
    expect(Buffer.from(header[1], 'base64').toString()).toBe(bad.id)
    expect((await it.database.pool.query('SELECT FROM oncebox.attempt')).rows).toHaveLength(0)
    expect(events.filter((event) => event.type === 'attemptFailed')).toHaveLength(3)
    expect(events.filter((event) => event.type === 'deadLettered')).toMatchObject([{ messageId: bad.id }])
  })

  test('G1: a handler that swallows an SQL error loses nothing, and is named', async () => {
    const it = await open()
    const sent = Array.from({ length: 16 }, (_, index) => deposit(String(index)))
    await it.send(sent)
    await running(it, {
      attempts: 2,
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          if (message.id === sent[15]?.id) await context.trx.query('SELECT 1/0').catch(() => {})
        },
      },
    }).start()
    await it.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.slice(0, 15).map(({ id }) => id))
    const { rows } = await it.database.pool.query('SELECT message_id, reason, error FROM oncebox.dead_letter')
    expect(rows).toMatchObject([{ message_id: sent[15]?.id, reason: 'TRANSACTION_ABORTED' }])
    expect(rows[0].error.message).toContain('"deposited"')
  })

  test('G1: one that swallows an SQL error in the middle is told from those whose statements fail after it', async () => {
    const it = await open()
    const sent = Array.from({ length: 16 }, (_, index) => deposit(String(index)))
    await it.send(sent)
    const consumer = running(it, {
      attempts: 1,
      handlers: {
        deposited: async (message, context) => {
          if (message.id === sent[6]?.id) await context.trx.query('SELECT 1/0').catch(() => {})
          else await depositInto(message, context)
        },
      },
    })
    await consumer.start()
    await it.drained()
    const good = sent.filter((_, index) => index !== 6).map(({ id }) => id)
    expect((await it.effects()).map((row) => row.message_id)).toEqual(good)
    expect((await it.deadLetters()).map((row) => row.message_id)).toEqual([sent[6]?.id])
    expect(consumer.counters().failedAttempts).toBe(1)
  })

  test('an SQL error inside a savepoint is the handler’s own business', async () => {
    const it = await open()
    await it.send([deposit('a'), deposit('b')])
    const consumer = running(it, {
      handlers: {
        deposited: async (message, context) => {
          await context.trx.query('SAVEPOINT mine')
          await context.trx.query('SELECT 1/0').catch(() => {})
          await context.trx.query('ROLLBACK TO SAVEPOINT mine')
          await depositInto(message, context)
        },
      },
    })
    await consumer.start()
    await it.drained()
    expect(await it.effects()).toHaveLength(2)
    expect(consumer.counters().failedAttempts).toBe(0)
  })

  test('a handler that rolls the transaction back itself is found out and loses nothing', async () => {
    const it = await open()
    const sent = [deposit('a'), deposit('b'), deposit('c')]
    await it.send(sent)
    let calls = 0
    await running(it, {
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          if (message.data.account === 'c' && ++calls < 3) await context.trx.query('ROLLBACK')
        },
      },
    }).start()
    await it.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.map(({ id }) => id))
  })

  test('a batch handler gets neighbours of its type; a poison message among them is found by bisection', async () => {
    const it = await open()
    const sent = Array.from({ length: 64 }, (_, index) => ({
      ...deposit(String(index)),
      ...(index % 16 === 15 ? { type: 'viewed', data: { page: '/' } } : {}),
    }))
    const bad = sent[40]?.id
    await it.send(sent)
    const calls: string[][] = []
    const consumer = running(it, {
      attempts: 2,
      handlers: {
        viewed: async (message, { trx }) => {
          await trx.query('INSERT INTO effect (message_id) VALUES ($1)', [message.id])
        },
        deposited: batch(async (received, { trx }) => {
          calls.push(received.map(({ id }) => id))
          for (const { id } of received) {
            await trx.query('INSERT INTO effect (message_id) VALUES ($1)', [id])
            if (id === bad) throw new Error('never')
          }
        }),
      },
    })
    await consumer.start()
    await it.drained()
    const good = sent.filter(({ id }) => id !== bad).map(({ id }) => id)
    expect((await it.effects()).map((row) => row.message_id)).toEqual(good)
    expect(await it.deadLetters()).toMatchObject([{ message_id: bad, attempts: 2 }])
    expect(calls[0]).toEqual(sent.slice(0, 15).map(({ id }) => id))
    expect(calls.every((call) => call.length > 0)).toBe(true)
    expect(consumer.counters().failedAttempts).toBe(2)
  })

  test('a constraint that fails only at COMMIT is traced to its message', async () => {
    const it = await open()
    await it.database.pool.query('ALTER TABLE effect ADD CONSTRAINT one UNIQUE (account) DEFERRABLE INITIALLY DEFERRED')
    const sent = ['a', 'b', 'c', 'b', 'd'].map((account) => deposit(account))
    await it.send(sent)
    await running(it, { attempts: 2 }).start()
    await it.drained()
    expect((await it.effects()).map((row) => row.account)).toEqual(['a', 'b', 'c', 'd'])
    expect(await it.deadLetters()).toMatchObject([{ message_id: sent[3]?.id, reason: 'HANDLER_FAILED', attempts: 2 }])
  })

  test('deadlocks on hot rows halve the batch, count for nobody, and every effect happens once', async () => {
    const it = await open()
    await it.database.pool.query(`ALTER DATABASE ${it.database.name} SET deadlock_timeout = '20ms'`)
    await it.database.pool.query('INSERT INTO balance SELECT n::text, 0 FROM generate_series(0, 9) AS n')
    const two = await bench(it.database, { partitions: 2 })
    // The first transactions of both wait for each other, each with a row locked that the other one wants.
    const holding = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const
    const adder =
      (mine: 0 | 1) =>
      async (message: { data: { account: string } }, { trx }: { trx: ClientBase }) => {
        await trx.query('UPDATE balance SET amount = amount + 1 WHERE account = $1', [message.data.account])
        holding[mine].resolve()
        await holding[1 - mine]?.promise
      }
    const consumers = ([0, 1] as const).map((mine) =>
      running(two, { handlers: { deposited: adder(mine) }, attempts: 1 }),
    )
    for (const consumer of consumers) await consumer.start()
    const send = (partition: number, step: number) =>
      two.send(
        Array.from({ length: 300 }, (_, index) => deposit(String((index * step + (step < 0 ? 309 : 0)) % 10))),
        partition,
      )
    await Promise.all([send(0, 1), send(1, -1)])
    await Promise.all([two.drained('bank', 0), two.drained('bank', 1)])
    const { rows } = await it.database.pool.query('SELECT sum(amount)::int AS sum FROM balance')
    expect(rows[0].sum).toBe(600)
    expect(await it.deadLetters()).toEqual([])
    expect(consumers.map((consumer) => consumer.counters().failedAttempts)).toEqual([0, 0])
    expect(consumers.reduce((sum, consumer) => sum + consumer.counters().conflicts, 0)).toBeGreaterThan(0)
  })

  test('a lost connection pauses and counts for nobody; a handler’s own socket error is counted', async () => {
    const it = await open()
    const sent = [deposit('a'), deposit('b'), deposit('c')]
    await it.send(sent)
    let kills = 2
    let refusals = 2
    const consumer = running(it, {
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          if (message.data.account === 'b' && kills-- > 0) {
            const { rows } = await context.trx.query('SELECT pg_backend_pid() AS pid')
            await it.database.pool.query('SELECT pg_terminate_backend($1)', [rows[0].pid])
            await context.trx.query('SELECT 1')
          }
          if (message.data.account === 'c' && refusals-- > 0) {
            throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })
          }
        },
      },
    })
    await consumer.start()
    await it.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.map(({ id }) => id))
    expect(consumer.counters()).toMatchObject({ failedAttempts: 2, pauses: 2 })
  })

  test('G4: while a message is tried again, with policy skip nothing behind it in its partition goes ahead', async () => {
    const it = await open()
    const two = await bench(it.database, { partitions: 2 })
    let failures = 5
    const consumer = running(two, {
      handlers: {
        deposited: async (message, context) => {
          if (message.data.amount === 1 && message.data.account === 'slow' && failures-- > 0) throw new Error('not yet')
          await depositInto(message, context)
        },
      },
      backoff: { minMs: 200, maxMs: 200 },
    })
    await two.send([deposit('slow', 1), deposit('slow', 2), deposit('other', 3)], 0)
    await consumer.start()
    await until(() => consumer.counters().failedAttempts >= 1, { what: 'the first failure' })
    await two.send([deposit('elsewhere', 4)], 1)
    await two.drained('bank', 1)
    await two.drained('bank', 0)
    const accounts = (await two.effects()).map((row) => row.account)
    expect(accounts.filter((account) => account !== 'elsewhere')).toEqual(['slow', 'slow', 'other'])
    expect(accounts[0]).toBe('elsewhere')
  })

  test('G1: an effect is durable before it is acked even where the database does not wait for its log', async () => {
    const it = await open()
    await it.database.pool.query(`ALTER DATABASE ${it.database.name} SET synchronous_commit = off`)
    const seen: string[] = []
    await it.send([deposit('a')])
    const two = await businessClient(it, seen)
    await running(it, { db: two }).start()
    await it.drained()
    expect(seen).toEqual(['off', 'on'])
  })

  /** Looks at the setting before the handlers and right before COMMIT. */
  async function businessClient(it: Bench, seen: string[]) {
    const { pgDatabase } = await import('@oncebox/core/pg')
    const pg = (await import('pg')).default
    const pool = new pg.Pool({ connectionString: consumerUrl(it.database), max: 2 })
    stops.push(() => pool.end())
    const db = pgDatabase(pool)
    return {
      ...db,
      transaction: <T>(work: Parameters<typeof db.transaction<T>>[0]) =>
        db.transaction(async (scope) => {
          const setting = async () => (await scope.trx.query('SHOW synchronous_commit')).rows[0].synchronous_commit
          const before = await setting()
          const result = await work(scope)
          const { rows } = await scope.trx.query('SELECT FROM effect WHERE xmin = pg_current_xact_id()::xid')
          if (rows.length > 0) seen.push(before, await setting())
          return result
        }),
    }
  }
})
