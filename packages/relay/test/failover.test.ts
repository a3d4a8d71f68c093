import { defaultRoles, tables } from '@oncebox/schema'
import { fastSettings, type PostgresServer, startPostgres, startStandby, until } from '@oncebox/testkit'
import { urlAs } from '@oncebox/testkit/harness'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PollingSource } from '../dist/pollingSource.js'
import { Session } from '../dist/session.js'
import { windowSessionSettings } from '../dist/windowQuery.js'
import { type Bench, benchOn, calmPool, migrated, published } from './relayBench.js'

let server: PostgresServer
beforeAll(async () => {
  // The log is written late, so that a crash takes back what was committed asynchronously.
  server = await startPostgres({ settings: { ...fastSettings, wal_writer_delay: '10s' } })
})
afterAll(() => server.remove())

async function benchOf(of: PostgresServer): Promise<Bench> {
  const url = await of.createDatabase()
  await migrated(url)
  const pool = calmPool(url)
  return benchOn({ url, pool }, () => pool.end())
}

/** Emits, again and again while Postgres is away. */
async function emitThrough(at: Bench, value: string): Promise<void> {
  await until(
    async () => {
      await at.emit('t', 'k', value)
      return true
    },
    { what: `${value} to be committed`, deadlineMs: 20_000 },
  )
}

async function allFlushed(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query('select pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn() as flushed')
  return rows[0].flushed
}

const distinct = (values: readonly string[]) => [...new Set(values)]

describe('Postgres and the relay', () => {
  test('G1: Postgres crashes while the relay holds a newer snapshot in memory, xids are handed out again, and nothing is lost', async () => {
    await using at = await benchOf(server)
    await at.query('create table other (id int)')
    const relay = at.relay()
    await relay.start()
    await at.emit('t', 'k', '1')
    await published(at, 't', ['1'])
    const client = await at.open()
    await client.query('set synchronous_commit = off')
    await client.query('insert into other values (0)')
    await until(() => allFlushed(client), {
      what: 'the log to be written, which is done now and then',
      deadlineMs: 20_000,
    })
    for (let i = 0; i < 50; i++) await client.query('insert into other values (1)')
    const newest = (await client.query('select pg_snapshot_xmax(pg_current_snapshot())::text as xmax')).rows[0].xmax
    await relay.drain()
    await server.crash()
    await server.start()
    await emitThrough(at, '2')
    const { xid } = (
      await at.query<{ xid: string }>('select max(xid::text::bigint)::text as xid from oncebox.outbox')
    )[0] as { xid: string }
    expect(BigInt(xid)).toBeLessThan(BigInt(newest))
    await until(() => at.values('t').includes('2'), {
      what: 'the message with an xid below the lost snapshot',
      deadlineMs: 20_000,
    })
    expect(at.events.some(({ event }) => event === 'interrupted')).toBe(true)
  })

  test('G2: a producer with synchronous_commit off commits synchronously, so that a crash takes back nothing that was published', async () => {
    await using at = await benchOf(server)
    const relay = at.relay()
    await relay.start()
    const client = await at.open()
    await client.query('set synchronous_commit = off')
    await client.query(`select oncebox.emit('t', 'k', 'x', '1'::text)`)
    await published(at, 't', ['1'])
    await server.crash()
    await server.start()
    await emitThrough(at, '2')
    await until(() => at.values('t').includes('2'), { what: 'the second message', deadlineMs: 20_000 })
    const rows = await until(
      () => at.query(`select convert_from(payload, 'UTF8') as value from oncebox.outbox order by position`),
      { what: 'the rows' },
    )
    expect(rows).toEqual([{ value: '1' }, { value: '2' }])
    expect(distinct(at.values('t'))).toEqual(['1', '2'])
  })

  test('G1 and G4: Postgres restarts under load, the relay connects by itself, nothing is lost and first deliveries keep order', async () => {
    await using at = await benchOf(server)
    await at.relay().start()
    const all: string[] = []
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 40; n++) {
        all.push(`${round}.${n}`)
        await emitThrough(at, all.at(-1) as string)
        if (n === 20) await (round === 1 ? server.crash().then(() => server.start()) : server.restart())
      }
    }
    await until(() => at.values('t').includes(all.at(-1) as string), { what: 'the last message', deadlineMs: 20_000 })
    // A commit whose answer was lost may have been emitted twice by this test's own retry; first deliveries count.
    expect(distinct(at.values('t'))).toEqual(all)
    expect(at.events.filter(({ event }) => event === 'interrupted').length).toBeGreaterThanOrEqual(3)
  })

  test('G1: a standby is refused for windows and by start, and works once it is promoted', async () => {
    await using at = await benchOf(server)
    await at.emit('t', 'k', '1')
    const standby = await startStandby(server, { settings: fastSettings })
    const url = standby.urlOf(new URL(at.database.url).pathname.slice(1))
    const pool = calmPool(urlAs(url, defaultRoles().relay))
    try {
      await until(async () => (await pool.query('select from oncebox.outbox')).rows.length === 1, {
        what: 'the standby to have the row',
      })
      const session = await Session.open(pool, { settings: windowSessionSettings, timeoutMs: 10_000 })
      const progress = { last: '3:3:', page: null }
      const share = { lane: 0, lanes: 1 }
      const source = new PollingSource({ session, tables: tables(), share, progress, pageRows: 10, pageBytes: 1000 })
      await expect(source.read()).rejects.toMatchObject({ code: 'DATABASE_NOT_PRIMARY' })
      session.close()
      await expect(at.relay({ pool }).start()).rejects.toMatchObject({ code: 'DATABASE_NOT_PRIMARY' })
      await standby.promote()
      expect(await at.relay({ pool }).drain()).toEqual({ published: 1, parked: 0 })
    } finally {
      await pool.end()
      await standby.remove()
    }
  })

  test('G1: a dump restored into a new cluster is published again from the start, said loudly, and then as usual', async () => {
    await using at = await benchOf(server)
    for (const value of ['1', '2', '3']) await at.emit('t', 'k', value)
    expect(await at.relay().drain()).toEqual({ published: 3, parked: 0 })
    const fresh = await startPostgres({ settings: fastSettings })
    try {
      await using restored = await benchOf(fresh)
      await copyTables(at, restored)
      // What a cluster with a longer life leaves behind: an id that this one has yet to reach.
      await restored.query(
        `update oncebox.outbox set xid = (pg_current_xact_id()::text::bigint + 1000000)::text::xid8 where position = 2`,
      )
      const relay = restored.relay()
      await relay.start()
      await published(restored, 't', ['1', '2', '3'])
      expect(restored.events.some(({ event }) => event === 'identity_changed')).toBe(true)
      await restored.emit('t', 'k', '4')
      await published(restored, 't', ['1', '2', '3', '4'])
      await relay.stop()
      expect(await restored.relay().drain()).toEqual({ published: 0, parked: 0 })
    } finally {
      await fresh.remove()
    }
  })
})

/** What pg_dump and restore do with the tables that matter, without the program. */
async function copyTables(from: Bench, to: Bench): Promise<void> {
  await to.query('truncate oncebox.outbox, oncebox.relay_cursor, oncebox.database_identity')
  for (const table of ['outbox', 'relay_cursor', 'database_identity']) {
    const rows = await from.query<{ row: string }>(
      `select row_to_json(each)::text as row from oncebox.${table} as each`,
    )
    for (const { row } of rows) {
      await to.query(
        `insert into oncebox.${table} overriding system value select * from json_populate_record(null::oncebox.${table}, $1)`,
        [row],
      )
    }
  }
  await to.query(`select setval(pg_get_serial_sequence('oncebox.outbox', 'position'), 100)`)
}
