import type { Tx } from '@oncebox/core'
import {
  blockedKeys,
  messageEffects,
  planReplay,
  searchMessages,
  status,
  type TailCursor,
  tail,
  timeline,
} from '@oncebox/ops'
import { postgresVersions, type TestDatabase } from '@oncebox/testkit/harness'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readOverdue } from '../dist/doctor/facts/scheduled.js'
import { migratedDatabase, publishAll, write } from './prepared.js'

const retained = 100_000
const hourMs = 3_600_000
const idOf2024 = '01900000-0000-7000-8000-000000000000'

/** Rows that `work` reads in the tables of the schema, by scan or by index: the same on a slow machine. */
async function rowsRead(client: pg.ClientBase, work: () => Promise<unknown>): Promise<number> {
  // What the session read before and has not reported yet is in these counters too; inside a transaction nothing is reported.
  const counter = async (): Promise<number> => {
    const { rows } = await client.query(
      `SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int AS read
       FROM pg_stat_xact_user_tables WHERE schemaname = 'oncebox'`,
    )
    return rows[0].read
  }
  await client.query('BEGIN')
  const before = await counter()
  await work()
  const after = await counter()
  await client.query('ROLLBACK')
  return after - before
}

/** Rows that the plan nodes of every statement of `work` go through, those among them that are read in no table. */
async function rowsPassed(client: pg.ClientBase, work: (tx: Tx) => Promise<unknown>): Promise<number> {
  interface Node {
    'Actual Rows': number
    'Actual Loops': number
    'Rows Removed by Filter'?: number
    Plans?: Node[]
  }
  const rowsOf = (node: Node): number =>
    (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'] +
    (node.Plans ?? []).reduce((sum, plan) => sum + rowsOf(plan), 0)
  let passed = 0
  await work({
    async query<Row extends object>(text: string, values?: readonly unknown[]) {
      const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values as unknown[] | undefined)
      passed += rowsOf(rows[0]['QUERY PLAN'][0].Plan)
      return { rows: (await client.query(text, values as unknown[] | undefined)).rows as Row[] }
    },
  })
  return passed
}

// Run with a million rows by hand: the same numbers of rows read.
describe.each(postgresVersions)('with many rows retained, on Postgres %i', (version) => {
  let database: TestDatabase
  let client: pg.PoolClient
  let start: TailCursor

  beforeAll(async () => {
    database = await migratedDatabase(version)
    client = await database.pool.connect()
    // Statistics come when the test asks for them.
    await client.query('ALTER TABLE oncebox.outbox_0 SET (autovacuum_enabled = false)')
    await write(client, retained)
    await publishAll(client)
    start = (await tail(client)).after
    for (let transaction = 0; transaction < 5; transaction++) await write(client, 20)
  })
  afterAll(async () => {
    client?.release()
    await database?.drop()
  })

  test.each(['never analyzed', 'analyzed'])('status and tail read what waits and no more, %s', async (state) => {
    if (state === 'analyzed') await client.query('ANALYZE oncebox.outbox')
    expect((await status(client)).lanes[0]).toMatchObject({ waiting: 100, waitingExact: true })
    expect((await status(client)).leaves[0]?.rows).toBeGreaterThan(retained * 0.9)
    expect(await rowsRead(client, () => status(client))).toBeLessThan(1_000)
    expect(await rowsRead(client, () => tail(client))).toBeLessThan(100)
    expect(await rowsRead(client, () => tail(client, { after: start }))).toBeLessThan(500)
  })

  test.each(['never analyzed', 'analyzed'])(
    'what is looked for is looked for in so many rows and no more, %s',
    async (state) => {
      if (state === 'analyzed') await client.query('ANALYZE oncebox.outbox')
      const range = { fromMs: Date.now() - hourMs, toMs: Date.now() + hourMs }
      const lookAt = 5_000
      const most = 2 * lookAt + 500
      const search = () => searchMessages(client, { filter: { ...range, key: 'nobody' }, lookAt })
      expect(await search()).toMatchObject({ messages: [], searchedBackTo: expect.any(String) })
      expect(await rowsRead(client, search)).toBeLessThan(most)

      const way = () => timeline(client, idOf2024, { newest: lookAt })
      expect(await way()).toMatchObject({ writes: [], searchedBackTo: expect.any(String) })
      expect(await rowsRead(client, way)).toBeLessThan(most)

      const plan = () => planReplay(client, { filter: { ...range, topic: 'orders' }, lookAt })
      const { messages, exact, estimate } = await plan()
      expect({ messages, exact }).toEqual({ messages: lookAt - 1, exact: false })
      expect(Math.abs(estimate - retained)).toBeLessThan(retained * 0.01)
      expect(await rowsRead(client, plan)).toBeLessThan(most)
    },
  )

  test('a backlog is estimated from a bounded sample, in whatever place the relay is', async () => {
    const [least, most] = [retained * 0.9, retained * 1.1]
    await client.query(`UPDATE oncebox.relay_cursor SET last_snapshot = '3:3:'`)
    const fromStart = (await status(client)).lanes[0]
    expect(fromStart?.waitingExact).toBe(false)
    expect(fromStart?.waiting).toBeGreaterThan(least)
    expect(fromStart?.waiting).toBeLessThan(most)
    expect(await rowsRead(client, () => status(client))).toBeLessThan(31_000)

    // The whole backlog is one transaction that was running when the last window ended.
    await client.query(`UPDATE oncebox.relay_cursor SET last_snapshot =
      (SELECT concat(min(xid::text::bigint), ':', pg_snapshot_xmax(pg_current_snapshot()), ':', min(xid::text::bigint)) FROM oncebox.outbox)::pg_snapshot`)
    expect((await status(client)).lanes[0]?.waiting).toBeGreaterThan(least)
    expect(await rowsRead(client, () => status(client))).toBeLessThan(31_000)

    await client.query(`UPDATE oncebox.relay_cursor SET last_snapshot = '3:3:', upper_snapshot = pg_current_snapshot(),
      page_position = ${retained / 2}`)
    const paged = (await status(client)).lanes[0]
    expect(paged?.waiting).toBeGreaterThan(least / 2)
    expect(paged?.waiting).toBeLessThan(most / 2)
    expect(await rowsRead(client, () => status(client))).toBeLessThan(31_000)
  })

  test('a backlog that statistics know nothing of is sampled all the same', async () => {
    await client.query('ANALYZE oncebox.outbox')
    await client.query(
      `UPDATE oncebox.relay_cursor SET last_snapshot = pg_current_snapshot(), upper_snapshot = NULL, page_position = NULL`,
    )
    await write(client, 60_000)
    expect((await status(client)).lanes[0]?.waiting).toBeGreaterThan(50_000)
    expect(await rowsRead(client, () => status(client))).toBeLessThan(31_000)
    await client.query('DELETE FROM oncebox.outbox WHERE position > $1', [retained + 100])
  })

  test('tail reads a large transaction once for its bounds, then only the pages', async () => {
    const first = await tail(client, { after: { last: '3:3:', page: null }, limit: 50 })
    expect(first.messages[0]?.position).toBe('1')
    expect(first.more).toBe(true)
    const second = await tail(client, { after: first.after, limit: 50 })
    expect(second.messages.map((message) => message.position)).toEqual(
      Array.from({ length: 50 }, (_, n) => String(n + 51)),
    )
    expect(await rowsRead(client, () => tail(client, { after: first.after, limit: 50 }))).toBeLessThan(200)
  })

  test('what waits aside is told topic by topic, and each topic without what waits of the others', async () => {
    const [topics, messages] = [200, 4_000]
    await client.query(
      `INSERT INTO oncebox.parked (position, created_at, id, lane, reason, source, topic, key, type)
       SELECT n, now(), gen_random_uuid(), 0, 'PAUSED', 'shop', 'topic' || n % $1, 'k' || n, 'order.created'
       FROM generate_series(1, $2::int) AS n`,
      [topics, messages],
    )
    const told = await rowsPassed(client, async (tx) => expect((await blockedKeys(tx)).relay).toHaveLength(topics))
    expect(told).toBeLessThan(20 * messages)
    await client.query('DELETE FROM oncebox.parked')
  })

  test('of a key whose messages have waited for long, as many are counted as are told', async () => {
    await client.query('ALTER TABLE oncebox.parked_delivery SET (autovacuum_enabled = false)')
    await client.query(
      `INSERT INTO oncebox.parked_key (consumer, topic, key_digest) VALUES ('billing', 'orders', sha256('hot'))`,
    )
    await client.query(
      `INSERT INTO oncebox.parked_delivery (record_time, partition, consumer, source, message_id, topic, type, key, key_digest, headers)
       SELECT now(), 0, 'billing', 'shop', key || n, 'orders', 'order.created', key::bytea, sha256(key::bytea), '[]'
       FROM unnest(ARRAY['cold', 'hot']) AS key, generate_series(1, 4000) AS n ORDER BY key, n`,
    )
    for (const state of ['never analyzed', 'analyzed']) {
      if (state === 'analyzed') await client.query('ANALYZE oncebox.parked_delivery')
      const look = async () =>
        expect((await blockedKeys(client)).consumers).toMatchObject([{ waiting: 1_000, firstWaitingId: 'hot1' }])
      expect(await rowsRead(client, look)).toBeLessThan(1_100)
    }
    await client.query('TRUNCATE oncebox.parked_delivery, oncebox.parked_key')
  })

  test('of ids that are not ours, one is looked up without the others', async () => {
    await client.query(
      `INSERT INTO oncebox.inbox_foreign (consumer, source, message_id)
       SELECT consumer, source, 'invoice-' || n FROM unnest(ARRAY['audit', 'billing']) AS consumer,
         unnest(ARRAY['crm', 'shop']) AS source, generate_series(1, 2000) AS n`,
    )
    await client.query('ANALYZE oncebox.inbox_foreign')
    const groups = async (tx: Tx) =>
      (await messageEffects(tx, 'invoice-7')).map(({ group, state }) => `${group} ${state}`)
    expect(await groups(client)).toEqual(['audit handled', 'billing handled'])
    expect(await rowsPassed(client, groups)).toBeLessThan(200)
  })

  test('whether a scheduled message is overdue is known without those that are due later', async () => {
    await client.query(
      `INSERT INTO oncebox.scheduled (due_at, id, source, topic, type)
       SELECT now() + interval '1 day', gen_random_uuid(), 'shop', 'orders', 'order.reminded' FROM generate_series(1, 2000)`,
    )
    const overdue = () => readOverdue(client, 'oncebox')
    expect(await overdue()).toBeNull()
    expect(await rowsRead(client, overdue)).toBeLessThan(10)
    await client.query(`UPDATE oncebox.scheduled SET due_at = now() - interval '1 hour' WHERE number = 7`)
    expect(await overdue()).toBeGreaterThan(3_500)
    await client.query('TRUNCATE oncebox.scheduled')
  })
})
