import { pgDatabase } from '@oncebox/core/pg'
import { startProxy, until } from '@oncebox/testkit'
import { postgresVersions, type TestDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { bench, businessDatabase, consumerUrl, deposit, depositInto, foreignDeposit, type Sending } from './fixture.js'

describe.each(postgresVersions)('on Postgres %i', (version) => {
  let database: TestDatabase | undefined
  const closes: (() => Promise<unknown>)[] = []

  afterEach(async () => {
    for (const close of closes.splice(0).reverse()) await close()
    await database?.drop()
    database = undefined
  })

  /** A consumer whose network can be taken away, and another one beside it that is delivered the same messages. */
  async function open(sent: readonly Sending[], handlerIdleMs: number) {
    database = await businessDatabase(version)
    const { hostname, port } = new URL(database.url)
    const wire = await startProxy({ target: { host: hostname, port: Number(port) } })
    closes.push(() => wire.close())
    const url = new URL(consumerUrl(database))
    url.hostname = '127.0.0.1'
    url.port = String(wire.port)
    const pool = new pg.Pool({ connectionString: url.href, max: 5 })
    closes.push(() => pool.end())
    const entered = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const far = await bench(database)
    const near = await bench(database)
    const cutOff = far.consumer({
      db: pgDatabase(pool),
      handlerIdleMs,
      handlers: {
        deposited: async (message, context) => {
          await depositInto(message, context)
          entered.resolve()
          await go.promise
        },
      },
    })
    closes.push(() => cutOff.stop({ deadlineMs: 1_000 }))
    closes.push(async () => {
      wire.resume()
      go.resolve()
    })
    await far.send(sent)
    await near.send(sent)
    await cutOff.start()
    await entered.promise
    const next = near.consumer({})
    closes.push(() => next.stop())
    return { near, far, wire, next, go, pool: database.pool }
  }

  const idleLimits = async (pool: pg.Pool) =>
    (
      await pool.query(
        `SELECT state_change < now() - interval '100 ms' AS idle FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction'`,
      )
    ).rows

  test.each([
    ['ids of ours', () => Array.from({ length: 5 }, (_, index) => deposit('a', index))],
    ['foreign ids', () => Array.from({ length: 5 }, (_, index) => foreignDeposit('a', index))],
  ])(
    'G3: a host that is cut off in a transaction frees its %s after handlerIdleMs, and does nothing afterwards',
    async (_, list) => {
      const sent = list()
      const { near, far, wire, next, go, pool } = await open(sent, 5_000)
      wire.pause()
      await next.start()
      // It waits for the ids of the one that is gone, which says nothing more.
      await until(async () => (await idleLimits(pool)).some(({ idle }) => idle), { what: 'the session to sit idle' })
      await near.drained()
      expect((await near.effects()).map((row) => row.message_id)).toEqual(sent.map(({ id }) => id))
      wire.resume()
      go.resolve()
      await far.drained()
      expect(await near.effects()).toHaveLength(5)
      expect(next.counters()).toMatchObject({ handled: 5, duplicates: 0 })
    },
    60_000,
  )

  test('a limit that the server has already is left as it is, and none stays behind in the session', async () => {
    database = await businessDatabase(version)
    const it = await bench(database)
    const pool = new pg.Pool({ connectionString: consumerUrl(database), max: 1 })
    closes.push(() => pool.end())
    const show = async (client: pg.ClientBase | pg.Pool) =>
      (await client.query('SHOW idle_in_transaction_session_timeout')).rows[0].idle_in_transaction_session_timeout
    const seen: string[] = []
    const consumer = it.consumer({
      db: pgDatabase(pool),
      handlerIdleMs: 90_000,
      handlers: {
        deposited: async (_, { trx }) => {
          seen.push(await show(trx))
        },
      },
    })
    closes.push(() => consumer.stop())
    await consumer.start()
    await it.send([deposit('a')])
    await it.drained()
    expect(await show(pool)).toBe('0')
    await pool.query("SET idle_in_transaction_session_timeout = '7s'")
    await it.send([deposit('b')])
    await it.drained()
    expect(seen).toEqual(['90s', '7s'])
  })
})
