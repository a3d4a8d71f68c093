import { pgDatabase } from '@oncebox/core/pg'
import { tables } from '@oncebox/schema'
import { startProxy, until } from '@oncebox/testkit'
import type { TestDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { finish } from '../dist/offsets.js'
import { asConsumer, type Bench, bench, businessDatabase, consumerUrl, deposit, depositInto } from './fixture.js'

describe('starting and stopping', () => {
  let database: TestDatabase | undefined
  const stops: (() => Promise<void>)[] = []

  async function open(): Promise<Bench> {
    database = await businessDatabase()
    return bench(database)
  }

  function running(it: Bench, overrides: Parameters<Bench['consumer']>[0] = {}) {
    const consumer = it.consumer(overrides)
    stops.push(() => consumer.stop())
    return consumer
  }

  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
    await database?.drop()
    database = undefined
  })

  test('stop waits for the running transaction, acks it, and begins no other', async () => {
    const it = await open()
    const entered = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const sent = Array.from({ length: 10 }, () => deposit('a'))
    await it.send(sent)
    const consumer = running(it, {
      batchMessages: 5,
      handlers: {
        deposited: async (message, context) => {
          entered.resolve()
          await go.promise
          await depositInto(message, context)
        },
      },
    })
    await consumer.start()
    await entered.promise
    const stopped = consumer.stop({ deadlineMs: 20_000 })
    expect(consumer.stop()).toBeInstanceOf(Promise)
    await until(() => consumer.state === 'stopping', { what: 'the consumer to be stopping' })
    go.resolve()
    await stopped
    expect(consumer.state).toBe('stopped')
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.slice(0, 5).map(({ id }) => id))
    expect(it.transport.committed('bank', 'accounts', 0)).toBe(5)
    await consumer.start()
    await it.drained()
    expect(await it.effects()).toHaveLength(10)
  })

  test('G3: past the stop deadline the signal aborts, nothing is committed, and the messages come again', async () => {
    const it = await open()
    const sent = [deposit('a'), deposit('b')]
    await it.send(sent)
    const ended = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    const consumer = running(it, {
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          if (message.id !== sent[1]?.id) return
          entered.resolve()
          await new Promise((resolve) => context.signal.addEventListener('abort', resolve))
          ended.resolve()
        },
      },
    })
    await consumer.start()
    await entered.promise
    await consumer.stop({ deadlineMs: 1 })
    await ended.promise
    await until(async () => (await openTransactions(it)) === 0, { what: 'the transaction to end' })
    expect(await it.effects()).toEqual([])
    expect(consumer.counters().failedAttempts).toBe(0)
    await running(it).start()
    await it.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.map(({ id }) => id))
  })

  test('G3: a partition that is lost in the middle of a batch has its effects once, whoever finishes first', async () => {
    const it = await open()
    const sent = Array.from({ length: 6 }, () => deposit('a'))
    await it.send(sent)
    const entered = Promise.withResolvers<void>()
    let calls = 0
    const consumer = running(it, {
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          if (++calls !== 3) return
          entered.resolve()
          await new Promise((resolve) => context.signal.addEventListener('abort', resolve))
        },
      },
    })
    await consumer.start()
    await entered.promise
    it.transport.disconnect()
    it.transport.reconnect()
    await it.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.map(({ id }) => id))
    expect(calls).toBe(9)
  })

  test('G3: a consumer that works on after its partition moved does not run anything a second time', async () => {
    const it = await open()
    const sent = Array.from({ length: 4 }, () => deposit('a'))
    await it.send(sent)
    const entered = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    // Its transport never tells it that the partition is lost: the signal stays silent, as after a long pause.
    const zombie = await bench(it.database)
    await zombie.send(sent)
    const slow = running(zombie, {
      handlers: {
        deposited: async (message, context) => {
          entered.resolve()
          await go.promise
          await depositInto(message, context)
        },
      },
    })
    await slow.start()
    await entered.promise
    const next = running(it)
    await next.start()
    await until(async () => (await waiting(it)) === 1, { what: 'the new owner to wait for the zombie' })
    go.resolve()
    await it.drained()
    await zombie.drained()
    expect((await it.effects()).map((row) => row.message_id)).toEqual(sent.map(({ id }) => id))
    expect(next.counters()).toMatchObject({ handled: 0, duplicates: 4 })
    expect(slow.counters()).toMatchObject({ handled: 4, duplicates: 0 })
  })

  test('the stored offset never goes back when a late owner commits, except for another life of the topic', async () => {
    const it = await open()
    const db = pgDatabase(asConsumer(it.database))
    const store = (nextOffset: string, overwrite: boolean) =>
      db.transaction(async ({ tx }) => {
        const { rows } = await tx.query<{ id: string }>('SELECT pg_current_xact_id()::text AS id')
        const next = { topic: 'accounts', topicId: '', partition: 0, nextOffset, overwrite }
        await finish(tx, tables(), 'bank', rows[0]?.id ?? '', next)
      })
    await store('9007199254740993', false)
    await store('3', false)
    expect(await it.storedOffset()).toBe('9007199254740993')
    await store('3', true)
    expect(await it.storedOffset()).toBe('3')
  })

  test('a start that waits for a database which says nothing holds no stop up, and is stopped when it gets through', async () => {
    const it = await open()
    const { hostname, port } = new URL(it.database.url)
    const wire = await startProxy({ target: { host: hostname, port: Number(port) } })
    const url = new URL(consumerUrl(it.database))
    url.host = `127.0.0.1:${wire.port}`
    const pool = new pg.Pool({ connectionString: url.href })
    wire.pause()
    const consumer = it.consumer({ db: pgDatabase(pool) })
    const started = consumer.start()
    await consumer.stop({ deadlineMs: 100 })
    expect(consumer.state).toBe('starting')
    wire.resume()
    await started
    await until(() => consumer.state === 'stopped', { what: 'the consumer to be stopped' })
    await pool.end()
    await wire.close()
  })

  test('start refuses a database without the schema, and a topic that outlives the horizon', async () => {
    const it = await open()
    await expect(running(it, { schema: 'elsewhere' }).start()).rejects.toMatchObject({ code: 'SCHEMA_NOT_MIGRATED' })
    const long = await bench(it.database, { retentionMs: 8 * 86_400_000 })
    const refused = running(long)
    await expect(refused.start()).rejects.toMatchObject({
      code: 'INVALID_SETTING',
      message: expect.stringContaining('allowLongerRetention'),
    })
    expect(refused.state).toBe('idle')
    await running(long, { horizonMs: 8 * 86_400_000 }).start()
    const forever = await bench(it.database, { retentionMs: -1 })
    await expect(running(forever).start()).rejects.toMatchObject({ code: 'INVALID_SETTING' })
    await running(forever, { allowLongerRetention: true }).start()
  })

  test('settings that cannot work are refused when the consumer is created', async () => {
    const it = await open()
    const day = 86_400_000
    for (const wrong of [
      { horizonMs: 10 * day },
      { attempts: 0 },
      { batchMessages: 1.5 },
      { group: '' },
      { schema: 'pg_mine' },
      { handlers: {} },
      { handlers: { unheard: () => {} } as never },
    ]) {
      expect(() => it.consumer(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
    }
    expect(() => it.consumer({ horizonMs: 9 * day })).not.toThrow()
  })

  async function openTransactions(it: Bench): Promise<number> {
    const { rows } = await it.database.pool.query(
      `SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE datname = current_database() AND state = 'idle in transaction'`,
    )
    return rows[0].count
  }

  async function waiting(it: Bench): Promise<number> {
    const { rows } = await it.database.pool.query(
      `SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO "oncebox"."inbox"%'`,
    )
    return rows[0].count
  }
})
