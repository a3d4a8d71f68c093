import { until } from '@oncebox/testkit'
import { postgresVersions } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { bench, published } from './relayBench.js'

describe.each(postgresVersions)('a relay on Postgres %i', (version) => {
  test('G1: a committed message is published, with its key, payload and CloudEvents headers', async () => {
    await using at = await bench({ version })
    await at.database.pool.query(
      `select oncebox.emit('orders', 'o-1', 'order.created', '{"n": 1}'::jsonb, '{"tenant": "a"}'::jsonb,
        '01990000-0000-7000-8000-000000000001', null, 'shop')`,
    )
    expect(await at.relay().drain()).toEqual({ published: 1, parked: 0 })
    const [record] = at.transport.records('orders')
    expect(Buffer.from(record?.key ?? []).toString()).toBe('o-1')
    expect(Buffer.from(record?.value ?? []).toString()).toBe('{"n": 1}')
    const headers = record?.headers.map(([name, value]) => [name, Buffer.from(value ?? []).toString()])
    expect(Object.fromEntries(headers ?? [])).toMatchObject({
      ce_id: '01990000-0000-7000-8000-000000000001',
      ce_type: 'order.created',
      ce_source: 'shop',
      ce_specversion: '1.0',
      'content-type': 'application/json',
      tenant: 'a',
    })
    expect(headers?.find(([name]) => name === 'ce_time')?.[1]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  })

  test('G2: a rolled-back transaction and a rolled-back savepoint publish nothing', async () => {
    await using at = await bench({ version })
    const client = await at.open()
    await client.query('begin')
    await client.query(`select oncebox.emit('t', 'k', 'x', 'lost'::text)`)
    await client.query('rollback')
    await client.query('begin')
    await client.query(`select oncebox.emit('t', 'k', 'x', 'first'::text)`)
    await client.query('savepoint s')
    await client.query(`select oncebox.emit('t', 'k', 'x', 'inside'::text)`)
    await client.query('rollback to savepoint s')
    await client.query('savepoint s2')
    await client.query(`select oncebox.emit('t', 'k', 'x', 'kept'::text)`)
    await client.query('release savepoint s2')
    await client.query('commit')
    expect(await at.relay().drain()).toEqual({ published: 2, parked: 0 })
    expect(at.values('t')).toEqual(['first', 'kept'])
  })

  test('G1: a window larger than a page is paged, in order, by rows and by bytes', async () => {
    await using at = await bench({ version })
    await at.query(`select oncebox.emit('t', 'k', 'x', i::text) from generate_series(1, 2500) i`)
    await at.query(`select oncebox.emit('big', 'k', 'x', i::text || repeat('x', 200000)) from generate_series(1, 30) i`)
    const result = await at.relay({ batchMessages: 100, batchBytes: 1 << 20 }).drain()
    expect(result).toEqual({ published: 2530, parked: 0 })
    expect(at.values('t')).toEqual(Array.from({ length: 2500 }, (_, index) => String(index + 1)))
    expect(at.values('big').map((value) => Number.parseInt(value, 10))).toEqual(
      Array.from({ length: 30 }, (_, index) => index + 1),
    )
  })

  test('messages flow while the relay runs, are not published twice by the next one, and stop is clean', async () => {
    await using at = await bench({ version })
    const relay = at.relay()
    await relay.start()
    expect(relay.state).toBe('holder')
    await at.emit('t', 'k', '1')
    await published(at, 't', ['1'])
    await at.emit('t', 'k', '2')
    await published(at, 't', ['1', '2'])
    await relay.stop()
    expect(relay.state).toBe('stopped')
    expect(await at.query('select token, holder from oncebox.relay_cursor')).toEqual([{ token: null, holder: null }])
    await at.emit('t', 'k', '3')
    expect(await at.relay().drain()).toEqual({ published: 1, parked: 0 })
    expect(at.values('t')).toEqual(['1', '2', '3'])
    expect(at.events.map(({ event }) => event)).toEqual([
      'ready',
      'published',
      'published',
      'stopped',
      'ready',
      'published',
      'stopped',
    ])
  })

  test('a standby takes over at once after a clean stop', async () => {
    await using at = await bench({ version })
    const first = at.relay()
    const second = at.relay()
    await first.start()
    await second.start()
    expect(second.state).toBe('standby')
    await at.emit('t', 'k', '1')
    await published(at, 't', ['1'])
    await first.stop()
    await until(() => second.state === 'holder', { what: 'the standby to hold the lane', deadlineMs: 8_000 })
    await at.emit('t', 'k', '2')
    await published(at, 't', ['1', '2'])
  })
})
