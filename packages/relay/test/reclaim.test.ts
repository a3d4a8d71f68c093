import { tables } from '@oncebox/schema'
import { fastSettings, type PostgresServer, startPostgres, until } from '@oncebox/testkit'
import { postgresVersions } from '@oncebox/testkit/harness'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reclaimLeaf } from '../dist/reclaim.js'
import { Session } from '../dist/session.js'
import { type Bench, bench, benchOn, calmPool, migrated } from './relayBench.js'

/** Everything may be reclaimed at once, and the slot moves on at every look. */
const hasty = { retentionMs: 0, leafWidthMs: 1, reclaimEveryMs: 20 }

const count = async (at: Bench, leaf: string) =>
  (await at.query<{ n: number }>(`select count(*)::int as n from oncebox.${leaf}`))[0]?.n

const slot = async (at: Bench) =>
  Number((await at.query<{ slot: string }>(`select last_value as slot from oncebox.outbox_slot`))[0]?.slot)

/** Emits until `done`, and answers how many. */
async function emitUntil(at: Bench, done: () => Promise<boolean>): Promise<number> {
  for (let n = 0; ; n++) {
    if (await done()) return n
    await at.emit('t', 'k', `${n}`)
  }
}

async function withSession<T>(at: Bench, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await Session.open(at.relayPool, { timeoutMs: 10_000 })
  try {
    return await work(session)
  } finally {
    session.close()
  }
}

describe.each(postgresVersions)('reclaiming on Postgres %i', (version) => {
  test('G6: leaves are emptied once published and past retention, and the ring goes round while messages flow', async () => {
    await using at = await bench({ version })
    await at.relay(hasty).start()
    const rounds = new Set<number>()
    const emitted = await emitUntil(at, async () => {
      rounds.add(await slot(at))
      return rounds.size === 8
    })
    await until(() => at.values('t').length === emitted, { what: 'everything to be published' })
    expect(at.values('t')).toEqual(Array.from({ length: emitted }, (_, n) => `${n}`))
    expect(at.events.some(({ event }) => event === 'leaf_reclaimed')).toBe(true)
    const dead = await at.query(
      `select sum(n_tup_upd + n_tup_del)::int as dead from pg_stat_user_tables
      where schemaname = 'oncebox' and relname like 'outbox%'`,
    )
    expect(dead).toEqual([{ dead: 0 }])
  })

  test('a leaf with rows that are not published, or not past retention, is left as it is', async () => {
    await using at = await bench({ version })
    await at.emit('t', 'k', '1')
    await withSession(at, async (session) => {
      expect(await reclaimLeaf(session, tables(), 'outbox_0', 0)).toBe(false)
      await at.relay().drain()
      expect(await reclaimLeaf(session, tables(), 'outbox_0', 60_000)).toBe(false)
      expect(await count(at, 'outbox_0')).toBe(1)
      expect(await reclaimLeaf(session, tables(), 'outbox_0', 0)).toBe(true)
    })
    expect(await count(at, 'outbox_0')).toBe(0)
  })

  test('the default leaf, where rows of an unknown slot land, is emptied like the others', async () => {
    await using at = await bench({ version })
    await at.query(`select setval('oncebox.outbox_slot', 7)`)
    await at.query(`alter table oncebox.outbox alter column slot set default 99`)
    await at.emit('t', 'k', 'stray')
    expect(await count(at, 'outbox_default')).toBe(1)
    await at.relay(hasty).start()
    await until(async () => (await count(at, 'outbox_default')) === 0, { what: 'the default leaf to be emptied' })
    expect(at.values('t')).toEqual(['stray'])
  })

  test('G1: a window that is being paged keeps its leaf', async () => {
    await using at = await bench({ version })
    await at.fill('t', 10)
    await at.query(`update oncebox.relay_cursor set upper_snapshot = pg_current_snapshot(), page_position = 1000000`)
    await withSession(at, async (session) => {
      expect(await reclaimLeaf(session, tables(), 'outbox_0', 0)).toBe(false)
    })
    expect(await count(at, 'outbox_0')).toBe(10)
  })

  test('G1: a late writer into a leaf that was switched away, committing while the lock is waited for, is seen and kept', async () => {
    await using at = await bench({ version })
    await at.emit('t', 'k', 'published')
    await at.relay().drain()
    await at.query(`select setval('oncebox.outbox_slot', 1)`)
    const writer = await at.open()
    const watcher = await at.open()
    let waited = false
    await withSession(at, async (session) => {
      for (let attempt = 0; attempt < 20 && !waited; attempt++) {
        await writer.query('begin')
        // As a transaction that evaluated the default before the switch and got its xid after it.
        await writer.query(
          `insert into oncebox.outbox (slot, id, source, topic, key, type, payload)
          values (0, gen_random_uuid(), 's', 't', 'k', 'x', convert_to('late' || $1::text, 'UTF8'))`,
          [attempt],
        )
        const reclaiming = reclaimLeaf(session, tables(), 'outbox_0', 0)
        while (!waited) {
          const { rows } = await watcher.query(
            `select from pg_locks where relation = 'oncebox.outbox_0'::regclass and not granted`,
          )
          waited = rows.length > 0
          if (!waited && (await Promise.race([reclaiming, 'waiting'])) === false) break
        }
        await writer.query('commit')
        expect(await reclaiming).toBe(false)
      }
    })
    expect(waited).toBe(true)
    const before = at.values('t').length
    const { published: sent } = await at.relay().drain()
    expect(sent).toBeGreaterThan(0)
    expect(at.values('t').length).toBe(before + sent)
    expect(await count(at, 'outbox_0')).toBe(sent + 1)
  })

  test('a reader that holds every leaf, as pg_dump does, stops the reclaiming but not the messages', async () => {
    await using at = await bench({ version })
    await at.relay(hasty).start()
    const reader = await at.open()
    await reader.query('begin isolation level repeatable read')
    await reader.query('lock table oncebox.outbox in access share mode')
    await at.emit('t', 'k', '0')
    await emitUntil(at, async () => (await slot(at)) > 0)
    const leaf = 'outbox_0'
    const rows = await count(at, leaf)
    expect(rows).toBeGreaterThan(0)
    const start = at.values('t').length
    for (let n = 0; n < 30; n++) {
      const before = at.values('t').length
      await at.emit('t', 'k', `held ${n}`)
      await until(() => at.values('t').length > before, { what: 'a message to flow behind the reader' })
    }
    expect(at.values('t').length).toBeGreaterThanOrEqual(start + 30)
    expect(await count(at, leaf)).toBe(rows)
    await reader.query('commit')
    await until(async () => (await count(at, leaf)) === 0, { what: 'the leaf to be reclaimed' })
  })
})

describe('a full ring', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ settings: fastSettings })
  })
  afterAll(() => server.remove())

  test('under a prepared transaction the ring stays on its last leaf, writers go on, and nothing is lost', async () => {
    const url = await server.createDatabase()
    await migrated(url)
    const pool = calmPool(url)
    await using at = benchOn({ url, pool }, () => pool.end())
    await at.emit('t', 'k', 'first')
    const client = await at.open()
    await client.query('begin')
    await client.query(`select oncebox.emit('t', 'prepared', 'x', 'prepared'::text)`)
    await client.query(`prepare transaction 'long'`)
    await at.relay(hasty).start()
    await emitUntil(at, async () => (await slot(at)) === 7)
    // Looks come and go; slot 0 is not free, so 7 stays.
    const looks = at.events.length
    await emitUntil(at, async () => at.events.length > looks + 20)
    expect(await slot(at)).toBe(7)
    expect(await count(at, 'outbox_0')).toBeGreaterThan(0)
    await client.query(`commit prepared 'long'`)
    await until(() => at.values('t').includes('prepared'), { what: 'the prepared message' })
    await emitUntil(at, async () => (await slot(at)) === 0)
    await at.emit('t', 'last', 'last')
    await until(() => at.values('t').includes('last'), { what: 'the last message' })
    expect(at.values('t').filter((value) => value === 'prepared')).toHaveLength(1)
  })
})
