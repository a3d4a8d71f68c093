import { readFile } from 'node:fs/promises'
import { problemCodes, status } from '@oncebox/ops'
import { currentVersion, inboxRing, outboxRing } from '@oncebox/schema'
import { postgresVersions, testDatabase } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { asViewer, migratedDatabase, publishAll, remember, write } from './prepared.js'

const codes = (report: { problems: readonly { code: string }[] }) => report.problems.map((problem) => problem.code)

describe.each(postgresVersions)('status on Postgres %i', (version) => {
  test('a database without the schema says so and names the command', async () => {
    await using database = await testDatabase({ version })
    expect(await status(database.pool, { schema: 'my box' })).toEqual({
      schemaVersion: null,
      lanes: [],
      leaves: [],
      consumers: [],
      paused: [],
      problems: [
        {
          code: 'NOT_MIGRATED',
          what: 'There is no migrated schema "my box" in this database.',
          next: `Run "oncebox migrate --schema 'my box'".`,
        },
      ],
    })
  })

  test('a schema that is older than this version is told, and what can be read of it', async () => {
    await using database = await migratedDatabase(version)
    await database.pool.query('DELETE FROM oncebox.migration WHERE version = $1', [currentVersion])
    const report = await status(asViewer(database))
    expect(report.lanes).toHaveLength(1)
    expect(report.problems).toEqual([
      {
        code: 'NOT_MIGRATED',
        what: `Schema "oncebox" is at version ${currentVersion - 1}, and this version of oncebox wants ${currentVersion}.`,
        next: 'Run "oncebox migrate".',
      },
    ])
  })

  test('a fresh schema has one idle lane, empty leaves and no problem', async () => {
    await using database = await migratedDatabase(version)
    const report = await status(asViewer(database))
    expect(report).toMatchObject({ schemaVersion: currentVersion, consumers: [], paused: [], problems: [] })
    expect(report.lanes).toEqual([
      { lane: 0, holder: null, epoch: 0, waiting: 0, waitingExact: true, oldestSeconds: null, parked: 0 },
    ])
    expect(report.leaves.map((leaf) => leaf.name)).toEqual([
      ...outboxRing.leaves,
      outboxRing.defaultLeaf,
      ...inboxRing.leaves,
    ])
    expect(report.leaves.every((leaf) => leaf.rows === 0 && leaf.bytes > 0)).toBe(true)
    expect(report.leaves.filter((leaf) => leaf.active && leaf.ring === 'outbox').map((leaf) => leaf.name)).toEqual([
      'outbox_0',
    ])
    expect(report.leaves.filter((leaf) => leaf.active && leaf.ring === 'inbox')).toHaveLength(1)
    expect(Object.keys(report)).toEqual(['schemaVersion', 'lanes', 'leaves', 'consumers', 'paused', 'problems'])
    expect(Object.keys(report.leaves[0] ?? {})).toEqual(['ring', 'name', 'active', 'rows', 'bytes'])
  })

  test('a group is known by the ids it remembers, whether its transport has offsets or not', async () => {
    await using database = await migratedDatabase(version)
    for (const group of ['mail', 'audit', 'mail', 'search']) await remember(database.pool, group)
    expect((await status(asViewer(database))).consumers).toEqual(
      ['audit', 'mail', 'search'].map((group) => ({ group, deadLetters: 0, failing: 0, partitions: [] })),
    )
  })

  test('what waits is counted exactly, without what is published or not committed', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    await write(pool, 40)
    await publishAll(pool)
    await write(pool, 3)
    const open = await pool.connect()
    try {
      await open.query('BEGIN')
      await write(open, 5)
      expect((await status(asViewer(database))).lanes[0]).toMatchObject({
        waiting: 3,
        waitingExact: true,
        holder: 'relay-1',
        epoch: 1,
      })
      // The window ends while the transaction is still open, once before any later one, once after: its rows wait
      // from its commit on, whether its number lies above the window's end or among those that were running.
      await publishAll(pool)
      expect((await status(asViewer(database))).lanes[0]?.waiting).toBe(0)
      await write(pool, 1)
      await publishAll(pool)
      expect((await status(asViewer(database))).lanes[0]).toMatchObject({ waiting: 0, oldestSeconds: null })
      await write(pool, 2)
      await open.query('COMMIT')
      expect((await status(asViewer(database))).lanes[0]?.waiting).toBe(7)
    } finally {
      open.release(true)
    }
  })

  test('each lane counts its own share of the keys', async () => {
    await using database = await migratedDatabase(version)
    await database.pool.query('insert into oncebox.relay_cursor (lane) values (1), (2)')
    await database.pool.query(
      `insert into oncebox.outbox (id, source, topic, key, type)
      select gen_random_uuid(), 's', 't', 'k' || n, 'x' from generate_series(1, 90) as n`,
    )
    const { lanes } = await status(asViewer(database))
    expect(lanes.map(({ lane }) => lane)).toEqual([0, 1, 2])
    for (const { waiting } of lanes) expect(waiting).toBeGreaterThan(0)
    expect(lanes.reduce((sum, { waiting }) => sum + waiting, 0)).toBe(90)
  })

  test('while a large window is paged, pages done are not counted and what came later is', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    await write(pool, 10)
    await publishAll(pool)
    const late = await pool.connect()
    try {
      await late.query('BEGIN')
      await write(late, 4)
      await write(pool, 100)
      await pool.query(`UPDATE oncebox.relay_cursor SET upper_snapshot = pg_current_snapshot(),
        page_position = (SELECT max(position) - 30 FROM oncebox.outbox)`)
      await write(pool, 6)
      expect((await status(asViewer(database))).lanes[0]).toMatchObject({ waiting: 36, waitingExact: true })
      // Written before the page, visible after its window: it waits for the next.
      await late.query('COMMIT')
      expect((await status(asViewer(database))).lanes[0]).toMatchObject({ waiting: 40, waitingExact: true })
    } finally {
      late.release(true)
    }
  })

  test('ten thousand waiting messages are counted, more are estimated', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    await write(pool, 10_000)
    expect((await status(asViewer(database))).lanes[0]).toMatchObject({ waiting: 10_000, waitingExact: true })
    await write(pool, 40_000)
    const { waiting, waitingExact } = (await status(asViewer(database))).lanes[0] ?? {}
    expect(waitingExact).toBe(false)
    expect(Math.abs((waiting ?? 0) - 50_000)).toBeLessThan(5_000)
    await pool.query(`UPDATE oncebox.relay_cursor SET upper_snapshot = pg_current_snapshot(),
      page_position = (SELECT max(position) - 20000 FROM oncebox.outbox)`)
    const paged = (await status(asViewer(database))).lanes[0]
    expect(paged?.waitingExact).toBe(false)
    expect(Math.abs((paged?.waiting ?? 0) - 20_000)).toBeLessThan(5_000)
  })

  test('messages that wait without a relay, and a lane that is behind, are problems', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    await write(pool, 2)
    const alone = await status(asViewer(database))
    expect(codes(alone)).toEqual(['NO_RELAY'])
    expect(alone.problems[0]?.what).toMatch(/^No relay publishes lane 0: 2 messages waiting, the oldest since \d+ s\.$/)
    await pool.query(
      `UPDATE oncebox.relay_cursor SET holder = 'relay-1', expires_at = clock_timestamp() + interval '1 minute'`,
    )
    expect(codes(await status(asViewer(database)))).toEqual([])
    await pool.query(`UPDATE oncebox.outbox SET created_at = created_at - interval '2 minutes' WHERE position = 2`)
    const behind = await status(asViewer(database))
    expect(codes(behind)).toEqual(['LANE_BEHIND'])
    expect(behind.lanes[0]?.oldestSeconds).toBeGreaterThanOrEqual(120)
    await pool.query(`UPDATE oncebox.relay_cursor SET expires_at = clock_timestamp()`)
    expect(codes(await status(asViewer(database)))).toEqual(['NO_RELAY'])
  })

  test('parked keys are named by topic and key, with reason and counts, a few of them', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    await pool.query(`INSERT INTO oncebox.parked (position, created_at, id, lane, reason, source, topic, key, type, payload)
      SELECT n, now(), ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 0,
        CASE WHEN n <= 10 THEN 'RECORD_TOO_LARGE' ELSE 'NOT_AUTHORIZED' END, 's',
        CASE WHEN n <= 10 THEN 'orders' ELSE 'audit' END, CASE WHEN n <= 10 THEN 'key-' || n % 5 END, 'y', 'secret'
      FROM generate_series(1, 11) AS n`)
    const report = await status(asViewer(database))
    expect(report.lanes[0]).toMatchObject({ waiting: 0, parked: 11 })
    expect(report.problems).toMatchObject([
      {
        code: 'KEYS_PARKED',
        what: 'Topic "orders": 5 keys with 10 messages held back, reason RECORD_TOO_LARGE: "key-1", "key-2", "key-3", ….',
      },
      { code: 'KEYS_PARKED', what: 'Topic "audit": 1 key with 1 message held back, reason NOT_AUTHORIZED: no key.' },
    ])
    expect(report.problems[0]?.next).toContain('Let the topic take larger messages: "kafka-configs.sh')
    expect(report.problems[0]?.next).toContain('the first message is 00000000-0000-7000-8000-000000000001')
    expect(report.problems[1]?.next).toContain(`Allow the relay's user to write to the topic "audit"`)
    expect(JSON.stringify(report)).not.toContain('secret')
  })

  test('consumer groups show offsets, dead letters and failing messages; dead letters are a problem', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    await pool.query(`
      INSERT INTO oncebox.consumer_offset (consumer, topic, topic_id, partition, next_offset, updated_at) VALUES
        ('billing', 'orders', 'old', 0, 900, now() - interval '1 hour'), ('billing', 'orders', 'new', 0, 7, now()),
        ('billing', 'orders', 'new', 1, 9007199254740993, now());
      INSERT INTO oncebox.attempt (consumer, source, message_id, error) VALUES ('billing', 's', 'a', '{}'), ('mail', 's', 'a', '{}');
      INSERT INTO oncebox.dead_letter (record_time, partition, attempts, consumer, source, message_id, topic, type, reason, headers)
      SELECT now(), 0, 8, 'billing', 's', n::text, 'orders', 'y', 'HANDLER_FAILED', '[]' FROM generate_series(1, 2) AS n`)
    const report = await status(asViewer(database))
    expect(report.consumers).toEqual([
      {
        group: 'billing',
        deadLetters: 2,
        failing: 1,
        partitions: [
          { topic: 'orders', partition: 0, nextOffset: '7', deadLetters: 2 },
          { topic: 'orders', partition: 1, nextOffset: '9007199254740993', deadLetters: 0 },
        ],
      },
      { group: 'mail', deadLetters: 0, failing: 1, partitions: [] },
    ])
    expect(report.problems).toMatchObject([
      { code: 'DEAD_LETTERS', what: 'Group "billing" gave up on 2 messages of "orders".' },
    ])
  })

  test('a leaf past its retention, overdue schedules and a copied database are problems', async () => {
    await using database = await migratedDatabase(version)
    const { pool } = database
    await write(pool, 1)
    await publishAll(pool)
    await pool.query(`UPDATE oncebox.outbox SET created_at = now() - interval '4 days'`)
    expect(codes(await status(asViewer(database)))).toEqual([])
    await pool.query(`SELECT setval('oncebox.outbox_slot', 1)`)
    expect(codes(await status(asViewer(database)))).toEqual(['LEAF_NOT_RECLAIMED'])
    expect(codes(await status(asViewer(database), { retentionMs: 7 * 86_400_000 }))).toEqual([])
    await pool.query(`INSERT INTO oncebox.scheduled (due_at, id, source, topic, type)
      VALUES (now() - interval '2 minutes', gen_random_uuid(), 's', 't', 'y'), (now() + interval '1 day', gen_random_uuid(), 's', 't', 'y')`)
    await pool.query(`UPDATE oncebox.database_identity SET system_identifier = '1'`)
    expect(codes(await status(asViewer(database)))).toEqual([
      'DATABASE_CHANGED',
      'SCHEDULED_OVERDUE',
      'LEAF_NOT_RECLAIMED',
    ])
  })
})

test('every problem code is explained in the documentation', async () => {
  const page = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8')
  const listed = [...page.matchAll(/^\| `([A-Z_]+)` \|/gm)].map((match) => match[1])
  expect(listed.filter((code) => code !== undefined).sort()).toEqual([...problemCodes].sort())
})
