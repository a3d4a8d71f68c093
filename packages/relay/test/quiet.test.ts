import type { PooledClient, SessionPool } from '@oncebox/relay'
import { until } from '@oncebox/testkit'
import { testDatabase } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { bench } from './relayBench.js'

describe('long transactions', () => {
  test('G5: transactions held open in this and in another database delay nobody while 50,000 messages flow', async () => {
    await using at = await bench()
    await using elsewhere = await testDatabase()
    const here = await at.open()
    await here.query('begin isolation level repeatable read')
    await here.query(`select oncebox.emit('t', 'k0', 'x', 'held'::text)`)
    const there = await elsewhere.pool.connect()
    await there.query('begin isolation level repeatable read')
    await there.query('create table held (id int)')
    await at.relay().start()
    for (let round = 1; round <= 50; round++) await at.fill('t', 1_000)
    await until(() => at.transport.records('t').length >= 50_000, { what: '50,000 records', deadlineMs: 25_000 })
    expect(at.transport.records('t').length).toBe(50_000)
    expect(at.values('t')).not.toContain('held')
    await here.query('commit')
    await until(() => at.values('t').at(-1) === 'held', { what: 'the message of the long transaction' })
    await there.query('rollback')
    there.release()
    // G6, of the same run: nothing was updated or deleted in the outbox.
    const dead = await at.query(
      `select coalesce(sum(n_tup_upd + n_tup_del + n_dead_tup), 0)::int as dead from pg_stat_user_tables
      where schemaname = 'oncebox' and relname like 'outbox%'`,
    )
    expect(dead).toEqual([{ dead: 0 }])
  })
})

describe('an idle relay', () => {
  test('G6: never writes its cursor, however many other transactions pass', async () => {
    await using at = await bench()
    await at.emit('t', 'k', '1')
    const relay = at.relay({ leaseMs: 600_000 })
    await relay.start()
    await relay.drain()
    const cursor = () => at.query('select ctid, xmin, last_snapshot::text from oncebox.relay_cursor')
    await until(async () => (await cursor())[0]?.last_snapshot !== '3:3:', { what: 'the progress to be written' })
    const before = await cursor()
    for (let i = 0; i < 10; i++) {
      await at.query('create table if not exists other (id int); insert into other values (1)')
      await relay.drain()
    }
    expect(await cursor()).toEqual(before)
  })

  test('runs at most 25 statements a second, all together', async () => {
    await using at = await bench()
    let statements = 0
    const pool: SessionPool = {
      on: at.relayPool.on.bind(at.relayPool) as SessionPool['on'],
      async connect() {
        const client = await at.relayPool.connect()
        return {
          on: (event, listener) => client.on(event as 'error', listener),
          release: (destroy) => client.release(destroy),
          connection: (client as unknown as PooledClient).connection as NonNullable<PooledClient['connection']>,
          query(query) {
            statements++
            return client.query(query)
          },
        }
      },
    }
    const relay = at.relay({ pool, leaseMs: 10_000 })
    await relay.start()
    await relay.drain()
    // It has just started and drained: its looks become rare first.
    await until(() => statements > 40, { what: 'the relay to be idle' })
    const start = performance.now()
    statements = 0
    // An upper limit on a rate: a slow machine can only make it smaller.
    await until(() => performance.now() - start > 2_000, { what: 'two seconds to pass' })
    expect(statements / ((performance.now() - start) / 1_000)).toBeLessThanOrEqual(25)
    expect(statements).toBeGreaterThan(2)
  })
})
