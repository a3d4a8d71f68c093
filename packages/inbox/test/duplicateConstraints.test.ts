import { batch, type ConsumerEvent, type ConsumerOptions } from '@oncebox/inbox'
import { retryDeadLetters } from '@oncebox/ops'
import { postgresVersions, type TestDatabase } from '@oncebox/testkit/harness'
import type { ClientBase } from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { asOperator, type Bench, bench, businessDatabase, type Contracts, deposit, depositInto } from './fixture.js'

type Handler = NonNullable<ConsumerOptions<Contracts, ClientBase>['handlers']['deposited']>

describe.each(postgresVersions)('on Postgres %i', (version) => {
  let database: TestDatabase | undefined
  const stops: (() => Promise<void>)[] = []

  /** Accounts may be paid into once; whoever comes second violates `paid_once`. */
  async function open(deferred = false): Promise<Bench> {
    database = await businessDatabase(version)
    await database.pool.query(
      `ALTER TABLE effect ADD CONSTRAINT paid_once UNIQUE (account) ${deferred ? 'DEFERRABLE INITIALLY DEFERRED' : ''}`,
    )
    return bench(database)
  }

  async function start(it: Bench, overrides: Parameters<Bench['consumer']>[0] = {}) {
    const events: ConsumerEvent[] = []
    const consumer = it.consumer({
      duplicateConstraints: ['paid_once'],
      redrivePollMs: 20,
      onEvent: (event) => events.push(event),
      ...overrides,
    })
    stops.push(() => consumer.stop())
    await consumer.start()
    return { consumer, events }
  }

  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
    await database?.drop()
    database = undefined
  })

  const remembered = async (it: Bench) =>
    (await it.database.pool.query<{ id: string }>('SELECT message_id::text AS id FROM oncebox.inbox')).rows.map(
      ({ id }) => id,
    )

  const batched: Handler = batch(async (received, context) => {
    for (const message of received) await depositInto(message, { ...context, attempt: 1 })
  })

  test.each([
    ['a handler a message', false, depositInto],
    ['a batch handler', false, batched],
    ['a constraint that is checked at COMMIT', true, depositInto],
  ] as const)(
    'G3: with %s, the second message of a key is run again alone, then counts as done: no effect, no dead letter, no attempt',
    async (_, deferred, handler) => {
      const it = await open(deferred)
      const sent = ['a', 'b', 'c', 'b', 'd', 'a', 'e'].map((account) => deposit(account))
      await it.send(sent)
      const calls = new Map<string, number>()
      const { consumer, events } = await start(it, {
        handlers: {
          deposited:
            typeof handler === 'function'
              ? async (message, context) => {
                  calls.set(message.id, (calls.get(message.id) ?? 0) + 1)
                  expect(context.attempt).toBe(1)
                  await handler(message, context)
                }
              : handler,
        },
      })
      await it.drained()
      expect((await it.effects()).map((row) => row.account)).toEqual(['a', 'b', 'c', 'd', 'e'])
      expect(await it.deadLetters()).toEqual([])
      expect((await remembered(it)).sort()).toEqual(sent.map(({ id }) => id as string).sort())
      expect(consumer.counters()).toMatchObject({ handled: 5, skipped: 2, failedAttempts: 0, parked: 0 })
      const skipped = events.filter((event) => event.type === 'skipped')
      expect(skipped.map(({ messageId, reason }) => [messageId, reason])).toEqual([
        [sent[3]?.id, 'done already: unique constraint paid_once'],
        [sent[5]?.id, 'done already: unique constraint paid_once'],
      ])
      if (!deferred && typeof handler === 'function') expect(calls.get(sent[3]?.id as string)).toBe(2)
    },
  )

  test('a message that sees on its second run what the first met is handled in its own way', async () => {
    const it = await open()
    await it.send([deposit('a', 1), deposit('b', 2)])
    let runs = 0
    const { consumer } = await start(it, {
      handlers: {
        deposited: async (message, context) => {
          // Another service has paid into it between our look and our insert.
          if (message.data.account === 'b' && runs++ === 0) {
            await it.database.pool.query("INSERT INTO effect (message_id, account) VALUES ('elsewhere', 'b')")
          } else if (message.data.account === 'b') {
            await context.trx.query("UPDATE effect SET amount = $1 WHERE account = 'b'", [message.data.amount])
            return
          }
          await depositInto(message, context)
        },
      },
    })
    await it.drained()
    expect(runs).toBe(2)
    expect(consumer.counters()).toMatchObject({ handled: 2, skipped: 0, failedAttempts: 0 })
    const { rows } = await it.database.pool.query("SELECT message_id, amount::int FROM effect WHERE account = 'b'")
    expect(rows).toEqual([{ message_id: 'elsewhere', amount: 2 }])
  })

  test('a constraint that is not declared is a failure like any other, also where another one is', async () => {
    const it = await open()
    await it.send(['a', 'b', 'a'].map((account) => deposit(account)))
    await it.database.pool.query('CREATE UNIQUE INDEX declared ON balance (amount)')
    const { consumer } = await start(it, { duplicateConstraints: ['declared'], attempts: 2 })
    await it.drained()
    await it.settled()
    expect(await it.deadLetters()).toMatchObject([{ reason: 'HANDLER_FAILED', attempts: 2 }])
    expect(consumer.counters()).toMatchObject({ skipped: 0, failedAttempts: 2 })
  })

  test('messages that waited beside the stream, and dead letters that are retried, count as done in the same way', async () => {
    const it = await open()
    let failing = true
    const sent = [deposit('a', 1), deposit('a', 2), deposit('b', 3), deposit('b', 4)]
    await it.send(sent)
    const { consumer } = await start(it, {
      attempts: 2,
      handlers: {
        deposited: async (message, context) => {
          if (failing && message.data.amount % 2 === 1) throw new Error('not yet')
          await depositInto(message, context)
        },
      },
    })
    await it.drained()
    await it.settled()
    expect(await it.deadLetters()).toHaveLength(2)
    failing = false
    await it.database.pool.query("INSERT INTO effect (message_id, account) VALUES ('elsewhere', 'b')")
    await retryDeadLetters(asOperator(it.database), { filter: {}, by: 'ann' })
    await it.settled()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(['elsewhere', sent[0]?.id])
    expect(await it.deadLetters()).toEqual([])
    for (const table of ['parked_key', 'parked_delivery', 'attempt']) {
      expect((await it.database.pool.query(`SELECT FROM oncebox.${table}`)).rows).toHaveLength(0)
    }
    expect(consumer.counters().failedAttempts).toBe(4)
  })

  test('those are run again as well, and handled in their own way if they see then what they met', async () => {
    const it = await open()
    const sent = [deposit('a', 1), deposit('a', 2)]
    await it.send(sent)
    await it.database.pool.query("INSERT INTO effect (message_id, account) VALUES ('elsewhere', 'a')")
    let failing = true
    const runs = new Map<string, number>()
    await start(it, {
      attempts: 1,
      handlers: {
        deposited: async (message, context) => {
          if (failing) throw new Error('not yet')
          const run = (runs.get(message.id) ?? 0) + 1
          runs.set(message.id, run)
          if (run === 1) return depositInto(message, context)
          await context.trx.query("UPDATE effect SET amount = $1 WHERE account = 'a'", [message.data.amount])
        },
      },
    })
    await it.drained()
    await it.settled()
    expect(await it.deadLetters()).toHaveLength(1)
    failing = false
    await retryDeadLetters(asOperator(it.database), { filter: {}, by: 'ann' })
    await it.settled()
    expect(await it.deadLetters()).toEqual([])
    expect(sent.map(({ id }) => runs.get(id as string))).toEqual([2, 2])
    const { rows } = await it.database.pool.query('SELECT message_id, amount::int FROM effect')
    expect(rows).toEqual([{ message_id: 'elsewhere', amount: 2 }])
  })

  test('a name that no unique index has is refused at the start', async () => {
    const it = await open()
    await it.database.pool.query('CREATE INDEX not_unique ON effect (amount)')
    for (const name of ['paid_twice', 'not_unique']) {
      const consumer = it.consumer({ duplicateConstraints: ['paid_once', name] })
      await expect(consumer.start()).rejects.toMatchObject({
        code: 'INVALID_SETTING',
        message: expect.stringContaining(name),
      })
    }
  })
})
