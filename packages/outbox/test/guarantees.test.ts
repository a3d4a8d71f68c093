import { fromPg } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import { until } from '@oncebox/testkit'
import { postgresVersions, type TestDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { empty, inTransaction, messages, migratedDatabase, outboxRows, producerUrl } from './kit.js'

const outbox = createOutbox({ source: 'shop', messages })

describe.each(postgresVersions)('the producer on Postgres %i', (version) => {
  let database: TestDatabase
  const clients: pg.Client[] = []
  beforeAll(async () => {
    database = await migratedDatabase(version)
  })
  beforeEach(() => empty(database))
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.end()
  })
  afterAll(() => database?.drop())

  async function connect(user?: string): Promise<pg.Client> {
    const url = new URL(producerUrl(database))
    if (user !== undefined) url.username = user
    const client = new pg.Client({ connectionString: url.href })
    clients.push(client)
    await client.connect()
    return client
  }

  const keys = async () => (await outboxRows(database)).map((row) => row.key)

  it('G1: business row and message are there together as soon as the transaction has committed, and not before', async () => {
    await inTransaction(database, async (client, tx) => {
      await client.query("insert into account values ('a', 1)")
      await outbox.emit(tx, 'order.created', { id: 'a' })
      expect(await keys()).toEqual([])
    })
    expect(await keys()).toEqual(['a'])
  })

  it('G2: a rolled-back transaction leaves no message', async () => {
    const bug = new Error('bug')
    const work = inTransaction(database, async (_, tx) => {
      await outbox.emit(tx, 'order.created', { id: 'a' })
      await outbox.emitMany(tx, [{ type: 'order.created', data: { id: 'b' } }])
      await outbox.emit(tx, 'order.created', { id: 'c' }, { deliverAt: new Date(Date.now() + 60_000) })
      throw bug
    })
    await expect(work).rejects.toBe(bug)
    expect(await keys()).toEqual([])
    expect((await database.pool.query('select 1 from oncebox.scheduled')).rowCount).toBe(0)
  })

  it('G2: a transaction whose COMMIT fails leaves no message', async () => {
    await database.pool.query(
      'create table strict (id text primary key, other text references strict deferrable initially deferred)',
    )
    const work = inTransaction(database, async (client, tx) => {
      await outbox.emit(tx, 'order.created', { id: 'a' })
      await client.query("insert into strict values ('a', 'nobody')")
    })
    await expect(work).rejects.toMatchObject({ code: '23503' })
    expect(await keys()).toEqual([])
    await database.pool.query('drop table strict')
  })

  it('G2: a transaction whose connection is lost leaves no message', async () => {
    const client = await connect()
    client.on('error', () => {})
    await client.query('begin')
    await outbox.emit(fromPg(client), 'order.created', { id: 'a' })
    const { rows } = await client.query('select pg_backend_pid() as pid')
    await database.pool.query('select pg_terminate_backend($1, 5000)', [rows[0].pid])
    await expect(client.query('commit')).rejects.toThrow()
    expect(await keys()).toEqual([])
  })

  it('G2: a savepoint that is rolled back leaves nothing, what surrounds it stays, all under the one transaction id', async () => {
    await inTransaction(database, async (client, tx) => {
      await outbox.emit(tx, 'order.created', { id: 'before' })
      await client.query('savepoint one')
      await outbox.emit(tx, 'order.created', { id: 'undone' })
      await client.query('rollback to savepoint one')
      await client.query('savepoint two')
      await outbox.emit(tx, 'order.created', { id: 'kept' })
      await client.query('release savepoint two')
      await outbox.emit(tx, 'order.created', { id: 'after' })
    })
    expect(await keys()).toEqual(['before', 'kept', 'after'])
    expect((await database.pool.query('select distinct xid from oncebox.outbox')).rowCount).toBe(1)
  })

  it.each(['emit', 'emitMany', 'deliverAt', 'SQL'])(
    'G2: %s raises synchronous_commit from off to on, for this transaction only',
    async (way) => {
      const client = await connect()
      const setting = async () => (await client.query('show synchronous_commit')).rows[0].synchronous_commit
      await client.query('set synchronous_commit = off')
      await client.query('begin')
      const tx = fromPg(client)
      const deliverAt = new Date(Date.now() + 60_000)
      if (way === 'emit') await outbox.emit(tx, 'order.created', { id: 'a' })
      if (way === 'emitMany') await outbox.emitMany(tx, [{ type: 'order.created', data: { id: 'a' } }])
      if (way === 'deliverAt') {
        await outbox.emitMany(tx, [{ type: 'order.created', data: { id: 'a' }, deliverAt }])
        expect(await setting()).toBe('on')
        await client.query('set local synchronous_commit = off')
        await outbox.emit(tx, 'order.created', { id: 'a' }, { deliverAt })
      }
      if (way === 'SQL') await client.query("select oncebox.emit('t', 'k', 'x', 'text'::text)")
      expect(await setting()).toBe('on')
      await client.query('commit')
      expect(await setting()).toBe('off')
    },
  )

  it('leaves a stricter synchronous_commit alone', async () => {
    await inTransaction(database, async (client, tx) => {
      await client.query('set local synchronous_commit = remote_apply')
      await outbox.emit(tx, 'order.created', { id: 'a' })
      await outbox.emitMany(tx, [{ type: 'order.created', data: { id: 'a' } }])
      expect((await client.query('show synchronous_commit')).rows).toEqual([{ synchronous_commit: 'remote_apply' }])
    })
  })

  it('two transactions that emit the same keys in opposite order do not wait for each other', async () => {
    const [one, two] = [await connect(), await connect()]
    for (const client of [one, two]) {
      await client.query("set lock_timeout = '100ms'")
      await client.query('begin')
    }
    const emit = (client: pg.Client, id: string) => outbox.emit(fromPg(client), 'order.created', { id })
    await emit(one, 'a')
    await emit(two, 'b')
    await emit(one, 'b')
    await emit(two, 'a')
    for (const client of [one, two]) await client.query('commit')
    expect(await keys()).toEqual(['a', 'b', 'b', 'a'])
  })

  it('G4: on one business row, positions follow the order of its lock, opposite to the order of begin', async () => {
    await database.pool.query("insert into account values ('a', 0)")
    const [first, second] = [await connect(), await connect()]
    for (const client of [first, second]) {
      await client.query('begin')
      await client.query('select pg_current_xact_id()')
    }
    const book = async (client: pg.Client, data: string) => {
      await client.query("update account set money = money + 1 where id = 'a'")
      await outbox.emit(fromPg(client), { topic: 't', type: 'x', key: 'a', data })
    }
    await book(second, 'second began later, locked first')
    const waiting = book(first, 'first began earlier, locked later')
    const blocked = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    await until(async () => (await database.pool.query(blocked)).rowCount === 1, { what: 'the wait for the row' })
    await second.query('commit')
    await waiting
    await first.query('commit')
    expect((await outboxRows(database)).map((row) => row.payload?.toString())).toEqual([
      'second began later, locked first',
      'first began earlier, locked later',
    ])
  })

  it.each(['repeatable read', 'serializable'])(
    'a %s transaction emits, and the loser of a conflict leaves nothing',
    async (level) => {
      await database.pool.query("insert into account values ('a', 0)")
      const [winner, loser] = [await connect(), await connect()]
      for (const client of [winner, loser]) {
        await client.query(`begin isolation level ${level}`)
        await client.query('select * from account')
      }
      for (const [client, id] of [
        [winner, 'winner'],
        [loser, 'loser'],
      ] as const) {
        await outbox.emit(fromPg(client), 'order.created', { id })
        await outbox.emitMany(fromPg(client), [{ type: 'order.created', data: { id } }])
      }
      await winner.query("update account set money = 1 where id = 'a'")
      await winner.query('commit')
      await expect(loser.query("update account set money = 2 where id = 'a'")).rejects.toMatchObject({ code: '40001' })
      await loser.query('rollback')
      expect(await keys()).toEqual(['winner', 'winner'])
    },
  )

  it('keeps no session state: transactions may change connections statement pools away, as behind pgbouncer', async () => {
    const [one, two] = [await connect(), await connect()]
    for (let round = 0; round < 6; round++) {
      const client = round % 2 === 0 ? one : two
      await client.query('begin')
      await outbox.emit(fromPg(client), 'order.created', { id: `o-${round}` })
      await outbox.emitMany(fromPg(client), [{ type: 'page.viewed', data: { url: '/' } }])
      await client.query('commit')
      // What a pooler that resets nothing would hand to the next user.
      const { rows } = await client.query(
        'select (select count(*) from pg_prepared_statements)::int as prepared, count(*)::int as locks from pg_locks where pid = pg_backend_pid() and locktype = $1',
        ['advisory'],
      )
      expect(rows).toEqual([{ prepared: 0, locks: 0 }])
    }
    expect(await outboxRows(database)).toHaveLength(12)
  })

  it('needs no more than the right to insert the columns it names', async () => {
    const role = `producer_${version}`
    await database.pool.query(`
      create role ${role} login;
      grant usage on schema oncebox to ${role};
      grant insert (id, source, topic, key, type, content_type, headers, payload) on oncebox.outbox to ${role};
      grant insert (id, source, topic, key, type, content_type, headers, payload, due_at) on oncebox.scheduled to ${role};
      grant select on sequence oncebox.outbox_slot to ${role};`)
    const client = await connect(role)
    await client.query('begin')
    const tx = fromPg(client)
    await client.query('set local synchronous_commit = off')
    await outbox.emit(tx, 'order.created', { id: 'a' })
    await outbox.emit(tx, 'order.created', { id: 'a' }, { deliverAt: new Date(Date.now() + 60_000) })
    await outbox.emitMany(tx, [
      { type: 'order.created', data: { id: 'b' } },
      { type: 'order.created', data: { id: 'c' }, deliverAt: new Date(Date.now() + 60_000) },
    ])
    await client.query('commit')
    expect(await keys()).toEqual(['a', 'b'])
    const forged =
      "insert into oncebox.outbox (id, source, topic, type, xid) values (gen_random_uuid(), 's', 't', 'x', '3')"
    await expect(client.query(forged)).rejects.toMatchObject({ code: '42501' })
    await expect(client.query('select 1 from oncebox.outbox')).rejects.toMatchObject({ code: '42501' })
    await client.end()
    await database.pool.query(`drop owned by ${role}; drop role ${role}`)
  })

  it('writes a slot into the ring that its readers know', async () => {
    await inTransaction(database, (_, tx) => outbox.emit(tx, 'order.created', { id: 'a' }))
    expect((await database.pool.query('select 1 from oncebox.outbox_0')).rowCount).toBe(1)
  })
})
