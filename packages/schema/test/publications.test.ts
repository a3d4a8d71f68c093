import {
  insertPublications,
  migrate,
  type PublishedBatch,
  publicationRing,
  publicationsParameter,
  tables,
} from '@oncebox/schema'
import { postgresVersions, type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

const batch = (first: number, count = 2): PublishedBatch => ({
  lane: 0,
  topic: 'orders "1"',
  partition: 3,
  firstPosition: String(first),
  lastPosition: '9223372036854775807',
  baseOffset: null,
  count,
})

describe.each(postgresVersions)('publications on Postgres %i', (version) => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await testDatabase({
      version,
      prepare: async ({ pool }) => {
        const client = await pool.connect()
        await migrate(client)
        client.release()
      },
    })
  })
  afterAll(() => database?.drop())
  beforeEach(() => database.pool.query('TRUNCATE oncebox.publication'))

  const record = (...batches: PublishedBatch[]) =>
    database.pool.query(insertPublications(tables()), [publicationsParameter(batches)])
  /** A row that was written so many half days ago. */
  const recordAgo = (halfDays: number) =>
    database.pool.query(
      `INSERT INTO oncebox.publication (first_position, last_position, count, partition, lane, topic, published_at, slot)
       SELECT $1::int, $1::int, 1, 0, 0, 'orders', at, oncebox.publication_slot(at)
       FROM (SELECT now() - $1::int * interval '12 hours') AS given (at)`,
      [halfDays],
    )
  const left = async () =>
    (await database.pool.query('SELECT first_position::int AS n FROM oncebox.publication ORDER BY 1')).rows.map(
      ({ n }) => n,
    )
  const reclaim = async (retention = '3 days') =>
    (await database.pool.query('SELECT oncebox.reclaim_publications($1::interval) AS emptied', [retention])).rows[0]
      .emptied

  test('many batches are one statement with one parameter, and land in the leaf of the present', async () => {
    await record(batch(1), { ...batch(5, 4), baseOffset: '9007199254740993' })
    const { rows } = await database.pool.query(
      `SELECT first_position::text AS first, last_position::text AS last, base_offset::text AS base, count, partition, lane::int, topic,
         tableoid::regclass::text = 'oncebox.publication_' || oncebox.publication_slot(clock_timestamp()) AS here,
         published_at > clock_timestamp() - interval '1 minute' AS now
       FROM oncebox.publication ORDER BY first_position`,
    )
    const row = { last: '9223372036854775807', partition: 3, lane: 0, topic: 'orders "1"', here: true, now: true }
    expect(rows).toEqual([
      { ...row, first: '1', base: null, count: 2 },
      { ...row, first: '5', base: '9007199254740993', count: 4 },
    ])
  })

  test('the ring in the code is the ring in the database', async () => {
    const { rows } = await database.pool.query(
      `SELECT class.relname AS name, pg_get_expr(class.relpartbound, class.oid) AS bound
       FROM pg_inherits JOIN pg_class AS class ON class.oid = inhrelid
       WHERE inhparent = 'oncebox.publication'::regclass ORDER BY class.relname`,
    )
    expect(rows).toEqual(publicationRing.leaves.map((name, slot) => ({ name, bound: `FOR VALUES IN ('${slot}')` })))
    const at = Date.UTC(2026, 10, 25, 11, 59, 59, 999)
    for (const time of [0, at, at + 1, at + publicationRing.widthMs]) {
      const { rows } = await database.pool.query(
        `SELECT oncebox.publication_slot(to_timestamp($1::float8 / 1000))::int AS slot`,
        [time],
      )
      expect(rows[0].slot).toBe(Math.floor(time / publicationRing.widthMs) % publicationRing.slots)
    }
  })

  test('G6: what is past its retention is truncated, and nothing is deleted or updated', async () => {
    for (const halfDays of [0, 1, 6, 7]) await recordAgo(halfDays)
    expect(await reclaim()).toBe(1)
    expect(await left()).toEqual([0, 1, 6])
    expect(await reclaim()).toBe(0)
    expect(await reclaim('1 day')).toBe(1)
    expect(await left()).toEqual([0, 1])
    expect(await reclaim('0')).toBe(1)
    expect(await left()).toEqual([0])
    const { rows } = await database.pool.query(
      `SELECT sum(n_tup_upd + n_tup_del)::int AS changed FROM pg_stat_user_tables WHERE relname LIKE 'publication%'`,
    )
    expect(rows[0].changed).toBe(0)
  })

  test('a leaf that somebody reads is left for later, and the others are emptied', async () => {
    for (const halfDays of [5, 7]) await recordAgo(halfDays)
    const reader = await database.pool.connect()
    try {
      await reader.query('BEGIN; SELECT FROM oncebox.publication WHERE first_position = 7')
      const { rows } = await reader.query(
        `SELECT tableoid::regclass::text AS leaf FROM oncebox.publication WHERE first_position = 7`,
      )
      // Only that leaf: a look at the whole table locks all of them.
      await reader.query(`ROLLBACK; BEGIN; SELECT FROM ${rows[0].leaf}`)
      expect(await reclaim('1 day')).toBe(1)
      expect(await left()).toEqual([7])
    } finally {
      reader.release(true)
    }
  })
})
