import { tables } from '@oncebox/schema'
import { postgresVersions } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { PollingSource } from '../dist/pollingSource.js'
import { Session } from '../dist/session.js'
import { windowSessionSettings } from '../dist/windowQuery.js'
import { bench, published } from './relayBench.js'

const share = { lane: 0, lanes: 1 }

describe.each(postgresVersions)('windows on Postgres %i', (version) => {
  test('G4: two transactions that meet on a row lock are published in the order in which they held it, not began', async () => {
    await using at = await bench({ version })
    await at.query('create table account (id int primary key, version int); insert into account values (1, 0)')
    await at.relay().start()
    const [late, early] = [await at.open(), await at.open()]
    await late.query('begin')
    // The transaction that began first, and has the lower xid, gets the row last.
    await late.query('select pg_current_xact_id(), now()')
    await early.query('begin')
    await early.query('update account set version = version + 1')
    await early.query(`select oncebox.emit('account', '1', 'x', 'v1'::text)`)
    const waiting = late.query('update account set version = version + 1')
    await early.query('commit')
    await waiting
    await late.query(`select oncebox.emit('account', '1', 'x', 'v2'::text)`)
    await late.query('commit')
    await published(at, 'account', ['v1', 'v2'])
  })

  test('G4: the same in one window', async () => {
    await using at = await bench({ version })
    const [late, early] = [await at.open(), await at.open()]
    await late.query('begin')
    await late.query('select pg_current_xact_id()')
    await early.query('begin')
    await early.query(`select oncebox.emit('account', '1', 'x', 'v1'::text)`)
    await early.query('commit')
    await late.query(`select oncebox.emit('account', '1', 'x', 'v2'::text)`)
    await late.query('commit')
    await at.relay().drain()
    expect(at.values('account')).toEqual(['v1', 'v2'])
  })

  test('G1: a running transaction whose xid is at or above xmax, and so absent from xip, is published when it commits', async () => {
    await using at = await bench({ version })
    const [running, other] = [await at.open(), await at.open()]
    const session = await Session.open(at.relayPool, { settings: windowSessionSettings, timeoutMs: 10_000 })
    const progress = { last: '3:3:', page: null }
    const source = new PollingSource({ session, tables: tables(), share, progress, pageRows: 10, pageBytes: 1000 })
    const values = async () => (await source.read()).entries.map((entry) => Buffer.from(entry.value ?? []).toString())
    try {
      // Other tests' transactions on the same server may end in between and raise xmax: then once more.
      for (let absent = false; !absent; ) {
        await running.query('rollback; begin')
        await running.query(`select oncebox.emit('t', 'k', 'x', 'slow'::text)`)
        const { rows } = await running.query('select pg_current_xact_id()::text as xid')
        const { after } = await source.read()
        absent = BigInt(rows[0].xid) >= BigInt(after.last.split(':')[1] as string)
      }
      // Later positions are seen meanwhile: "greater than the last position seen" would lose the slow one.
      await other.query(`select oncebox.emit('t', 'k2', 'x', 'quick'::text)`)
      expect(await values()).toEqual(['quick'])
      await running.query('commit')
      expect(await values()).toEqual(['slow'])
      expect(await values()).toEqual([])
    } finally {
      session.close()
    }
  })

  test('G1: a window asked for in a transaction that has an xid is refused', async () => {
    await using at = await bench({ version })
    const session = await Session.open(at.relayPool, { settings: windowSessionSettings, timeoutMs: 10_000 })
    try {
      const progress = { last: '3:3:', page: null }
      const source = new PollingSource({ session, tables: tables(), share, progress, pageRows: 10, pageBytes: 1000 })
      await session.rows('begin')
      await session.rows('select pg_current_xact_id()')
      await expect(source.read()).rejects.toMatchObject({ code: 'WINDOW_IN_TRANSACTION' })
      await session.rows('rollback')
    } finally {
      session.close()
    }
  })

  test('producers at REPEATABLE READ and SERIALIZABLE write across a switch of the slot, and lose nothing', async () => {
    await using at = await bench({ version })
    const [repeatable, serializable] = [await at.open(), await at.open()]
    await repeatable.query('begin isolation level repeatable read')
    await serializable.query('begin isolation level serializable')
    for (const client of [repeatable, serializable]) await client.query('select count(*) from oncebox.outbox')
    await repeatable.query(`select oncebox.emit('t', 'r', 'x', 'r1'::text)`)
    await at.query(`select setval('oncebox.outbox_slot', 1)`)
    await repeatable.query(`select oncebox.emit('t', 'r', 'x', 'r2'::text)`)
    await serializable.query(`select oncebox.emit('t', 's', 'x', 's1'::text)`)
    await repeatable.query('commit')
    await serializable.query('commit')
    await at.relay().drain()
    expect(at.values('t')).toEqual(['r1', 'r2', 's1'])
  })

  test('a slot that no leaf is made for lands in the default leaf, and is published', async () => {
    await using at = await bench({ version })
    await at.query(
      `insert into oncebox.outbox (slot, id, source, topic, key, type) values (99, gen_random_uuid(), 's', 't', 'k', 'x')`,
    )
    expect(await at.relay().drain()).toEqual({ published: 1, parked: 0 })
    expect(at.transport.records('t')[0]?.value).toBeNull()
  })

  test('each of two lanes publishes its share of the keys, and together everything once', async () => {
    await using at = await bench({ version })
    await at.query('insert into oncebox.relay_cursor (lane) values (1)')
    await at.fill('t', 100)
    const first = await at.relay({ lane: 0 }).drain()
    const second = await at.relay({ lane: 1 }).drain()
    expect(first.published + second.published).toBe(100)
    expect(first.published).toBeGreaterThan(0)
    expect(second.published).toBeGreaterThan(0)
    expect(new Set(at.values('t')).size).toBe(100)
  })

  test('a message with a time to be delivered at goes out when it is due, and not before', async () => {
    await using at = await bench({ version })
    const schedule = (text: string, dueIn: string) =>
      at.query(
        `insert into oncebox.scheduled (due_at, id, source, topic, key, type, payload)
        values (clock_timestamp() + $2::interval, gen_random_uuid(), 's', 't', 'k', 'x', convert_to($1, 'UTF8'))`,
        [text, dueIn],
      )
    await schedule('later', '1 hour')
    await schedule('second', '-1 second')
    await schedule('first', '-2 seconds')
    await at.relay().start()
    await published(at, 't', ['first', 'second'])
    await at.query(`update oncebox.scheduled set due_at = clock_timestamp()`)
    await published(at, 't', ['first', 'second', 'later'])
    expect(await at.query('select from oncebox.scheduled')).toEqual([])
  })
})

test('G1 and G4: a window larger than a page begins at its lowest position, which need not be of its first transaction', async () => {
  await using at = await bench()
  const early = await at.open()
  await early.query('begin')
  await early.query('select pg_current_xact_id()')
  for (const key of ['a', 'b', 'c']) await at.emit('t', key, key)
  await early.query(`select oncebox.emit('t', 'd', 'x', 'd'::text)`)
  await early.query('commit')
  const session = await Session.open(at.relayPool, { settings: windowSessionSettings, timeoutMs: 20_000 })
  try {
    const progress = { last: '3:3:', page: null }
    const source = new PollingSource({ session, tables: tables(), share, progress, pageRows: 2, pageBytes: 10_000 })
    const pages = [await source.read(), await source.read(), await source.read()]
    expect(pages.map(({ entries }) => entries.map(({ keyText }) => keyText))).toEqual([['a', 'b'], ['c', 'd'], []])
    expect(pages.map(({ windowDone }) => windowDone)).toEqual([false, false, true])
    expect(await source.read()).toMatchObject({ entries: [], windowDone: true })
  } finally {
    session.close()
  }
})
