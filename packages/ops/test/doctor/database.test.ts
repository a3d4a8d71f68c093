import { doctor } from '@oncebox/ops'
import { migrate } from '@oncebox/schema'
import { fastSettings, startPostgres, startStandby } from '@oncebox/testkit'
import { postgresVersions, type TestDatabase, testDatabase, uniqueName } from '@oncebox/testkit/harness'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { asOperator, migratedDatabase, publishAll, write } from '../prepared.js'
import { codesOf, examine, findings } from './examined.js'

const hour = 3_600_000

/** A pool on a server that a test stops under it. */
function poolOf(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

describe.each(postgresVersions)('doctor makes out, on Postgres %i,', (version) => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await migratedDatabase(version)
  })
  afterAll(() => database?.drop())
  beforeEach(async () => {
    await database.pool.query(`
      TRUNCATE oncebox.outbox, oncebox.parked, oncebox.scheduled, oncebox.dead_letter;
      SELECT setval('oncebox.outbox_slot', 0);
      UPDATE oncebox.relay_cursor SET last_snapshot = pg_current_snapshot(), holder = NULL, expires_at = NULL;
      UPDATE oncebox.database_identity SET system_identifier = (SELECT system_identifier::text FROM pg_control_system())`)
  })
  test('nothing but settings in a database that is as it should be; without brokers it says what it skips', async () => {
    await write(database.pool, 3)
    await publishAll(database.pool)
    const reports = await examine(asOperator(database), { limits: { openTransactionMs: hour } })
    expect(codesOf(reports)).toEqual([])
    const skipped = reports.filter(({ state }) => state === 'skipped')
    expect(skipped.map(({ reason }) => reason)).toEqual(Array(6).fill('no brokers are given'))
    expect(reports.find(({ check }) => check.startsWith('a relay holds'))?.state).toBe('fine')
  })

  test('a schema that is not migrated, with the command, and goes on with what it can see', async () => {
    await using database = await testDatabase({ version })
    const reports = await examine(asOperator(database), { schema: 'my box', limits: { openTransactionMs: hour } })
    expect(codesOf(reports)).toEqual(['NOT_MIGRATED'])
    expect(reports.flatMap((check) => check.findings).find(({ code }) => code === 'NOT_MIGRATED')).toMatchObject({
      severity: 'problem',
      next: `Run "oncebox migrate --schema 'my box'".`,
      why: expect.stringContaining('does not start'),
    })
    expect(reports.find(({ check }) => check.startsWith('a relay holds'))).toMatchObject({
      state: 'skipped',
      reason: 'the schema is not migrated',
    })
  })

  test('migrations that are pending, and one that was edited', async () => {
    await using database = await migratedDatabase(version)
    await database.pool.query(
      `DELETE FROM oncebox.migration WHERE version = (SELECT max(version) FROM oncebox.migration)`,
    )
    expect((await findings(asOperator(database), 'NOT_MIGRATED'))[0]?.what).toMatch(
      /is at version \d+, and this version of/,
    )
    await database.pool.query(`UPDATE oncebox.migration SET checksum = 'other' WHERE version = 2`)
    expect((await findings(asOperator(database), 'MIGRATIONS_UNSOUND'))[0]?.what).toContain('2 is changed')
  })

  test('a user without rights, by name, with what has to be granted', async () => {
    const role = uniqueName('poor')
    await database.pool.query(`CREATE ROLE ${role}`)
    const client = await database.pool.connect()
    try {
      await client.query(`SET ROLE ${role}`)
      const own = {
        connect: async () => ({ query: client.query.bind(client), release: () => {} }),
      } as unknown as pg.Pool
      const outside = await findings(own, 'RIGHTS_MISSING')
      expect(outside.map(({ what }) => what)).toEqual([
        `User "${role}" may not read oncebox.`,
        expect.stringContaining('does not see the sessions of others'),
      ])
      await client.query(`RESET ROLE; GRANT USAGE ON SCHEMA oncebox TO ${role}; SET ROLE ${role}`)
      const inside = await findings(own, 'RIGHTS_MISSING')
      expect(inside[0]?.what).toMatch(/may not read attempt, business_key, consumer_offset, .* more\.$/)
      expect(inside[0]?.next).toContain(`oncebox roles --operator ${role}`)
    } finally {
      client.release(true)
      await database.pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    }
  })

  test('a restored database', async () => {
    await database.pool.query(`UPDATE oncebox.database_identity SET system_identifier = '1'`)
    expect(await findings(asOperator(database), 'DATABASE_CHANGED')).toMatchObject([{ severity: 'problem' }])
  })

  test('messages without a relay; a lane without a relay where nothing waits is advice', async () => {
    expect(await findings(asOperator(database), 'NO_RELAY')).toMatchObject([{ severity: 'advice' }])
    await write(database.pool, 2)
    expect(await findings(asOperator(database), 'NO_RELAY')).toMatchObject([
      { severity: 'problem', what: expect.stringContaining('2 messages waiting') },
    ])
  })

  test('a lag that grows while it looks, and none where the relay keeps up', async () => {
    const { pool } = database
    await publishAll(pool)
    await write(pool, 10)
    const writing = (count: number) => ({ sleep: async () => void (await write(pool, count)) })
    expect(await findings(asOperator(database), 'LAG_GROWING', writing(99))).toEqual([])
    expect(await findings(asOperator(database), 'LAG_GROWING', writing(100))).toMatchObject([
      { what: expect.stringMatching(/^Lane 0 falls behind: 100 messages more in 0 ms; 209 messages waiting/) },
    ])
    const keepingUp = {
      sleep: async () => {
        await publishAll(pool)
        await write(pool, 150)
      },
    }
    expect(await findings(asOperator(database), 'LAG_GROWING', keepingUp)).toEqual([])
  })

  test('who has a transaction open, in any database of the cluster, since when, and how to end it', async () => {
    await using other = await testDatabase({ version })
    const url = new URL(other.url)
    url.searchParams.set('application_name', 'nightly report')
    const idle = new pg.Client({ connectionString: url.href })
    await idle.connect()
    try {
      await idle.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1')
      const { rows } = await idle.query('SELECT pg_backend_pid() AS pid')
      const { pid } = rows[0]
      const found = await findings(asOperator(database), 'SNAPSHOT_HELD')
      const own = found.find(({ what }) => what.startsWith(`Pid ${pid} `))
      expect(own?.what).toMatch(
        new RegExp(
          `\\(postgres, ${other.name}, "nightly report"\\) has had a transaction open for \\d+ s, idle in transaction, last statement \\d+ s ago, and holds back the snapshot`,
        ),
      )
      expect(own?.next).toContain(`SELECT pg_terminate_backend(${pid})`)
      const patient = await findings(asOperator(database), 'SNAPSHOT_HELD', { limits: { openTransactionMs: hour } })
      expect(patient).toEqual([])
    } finally {
      await idle.end()
    }
  })

  test('a prepared transaction, with both ways to end it', async () => {
    const gid = uniqueName("it's")
    const client = await database.pool.connect()
    await client.query('BEGIN')
    await write(client, 1)
    await client.query(`PREPARE TRANSACTION '${gid.replace("'", "''")}'`)
    client.release()
    try {
      const found = (await findings(asOperator(database), 'PREPARED_TRANSACTION')).filter(({ what }) =>
        what.includes(gid),
      )
      expect(found).toMatchObject([{ next: expect.stringContaining(`ROLLBACK PREPARED '${gid.replace("'", "''")}'`) }])
    } finally {
      await database.pool.query(`ROLLBACK PREPARED '${gid.replace("'", "''")}'`)
    }
  })

  test('a leaf that cannot be emptied, and by whom: a session and a prepared transaction', async () => {
    const { pool } = database
    const gid = uniqueName('left')
    await write(pool, 1)
    await publishAll(pool)
    await pool.query(`UPDATE oncebox.outbox SET created_at = now() - interval '4 days'`)
    await pool.query(`SELECT setval('oncebox.outbox_slot', 1)`)
    expect((await findings(asOperator(database), 'LEAF_NOT_RECLAIMED'))[0]?.next).toContain(
      'Look why its lane is behind',
    )
    const holder = await pool.connect()
    const preparing = await pool.connect()
    try {
      await holder.query('BEGIN; SELECT FROM oncebox.outbox_0')
      const { rows } = await holder.query('SELECT pg_backend_pid() AS pid')
      await preparing.query(`BEGIN; LOCK TABLE oncebox.outbox_0 IN ROW EXCLUSIVE MODE`)
      await preparing.query(`PREPARE TRANSACTION '${gid}'`)
      const [found] = await findings(asOperator(database), 'LEAF_NOT_RECLAIMED')
      expect(found?.what).toContain(`outbox_0 by pid ${rows[0].pid} (idle in transaction)`)
      expect(found?.what).toContain(`outbox_0 by prepared transaction "${gid}"`)
      expect(found?.next).toContain(`SELECT pg_terminate_backend(${rows[0].pid})`)
      expect(found?.next).toContain(`ROLLBACK PREPARED '${gid}'`)
    } finally {
      holder.release(true)
      await preparing.query(`ROLLBACK PREPARED '${gid}'`)
      preparing.release()
    }
  })

  test('a full ring', async () => {
    for (let slot = 0; slot < 8; slot++) {
      await database.pool.query(`SELECT setval('oncebox.outbox_slot', ${slot})`)
      await write(database.pool, 1)
      if (slot === 6) expect(await findings(asOperator(database), 'RING_FULL')).toEqual([])
    }
    expect(await findings(asOperator(database), 'RING_FULL')).toHaveLength(1)
  })

  test('parked keys, overdue schedules and dead letters', async () => {
    await database.pool.query(`
      INSERT INTO oncebox.parked (position, created_at, id, lane, reason, source, topic, key, type)
        VALUES (1, now(), gen_random_uuid(), 0, 'RECORD_TOO_LARGE', 's', 'orders', 'k', 'y');
      INSERT INTO oncebox.scheduled (due_at, id, source, topic, type)
        VALUES (now() - interval '2 minutes', gen_random_uuid(), 's', 'orders', 'y');
      INSERT INTO oncebox.dead_letter (record_time, partition, attempts, consumer, source, message_id, topic, type, reason, headers)
        VALUES (now(), 0, 8, 'billing', 's', '1', 'orders', 'y', 'HANDLER_FAILED', '[]')`)
    const codes = codesOf(await examine(asOperator(database), { limits: { openTransactionMs: hour } }))
    expect(codes).toEqual(['SCHEDULED_OVERDUE', 'KEYS_PARKED', 'DEAD_LETTERS'])
    const consumer = await examine(asOperator(database), { scope: 'consumer', limits: { openTransactionMs: hour } })
    expect(codesOf(consumer)).toEqual(['DEAD_LETTERS'])
  })

  test('clocks that disagree: of this machine, and of a producer that makes ids in the future', async () => {
    const { pool } = database
    expect(await findings(asOperator(database), 'CLOCK_SKEW')).toEqual([])
    expect(await findings(asOperator(database), 'CLOCK_SKEW', { now: () => Date.now() + hour })).toMatchObject([
      { what: "This machine's clock is 60 min ahead of that of the database." },
    ])
    expect(await findings(asOperator(database), 'CLOCK_SKEW', { now: () => Date.now() - 6_000 })).toHaveLength(1)
    const idAt = (unixMs: number) =>
      unixMs
        .toString(16)
        .padStart(12, '0')
        .replace(/(.{8})/, '$1-')
    const insert = `INSERT INTO oncebox.outbox (id, source, topic, type) VALUES ($1::uuid, $2, 'orders', 'y')`
    await pool.query(insert, [`${idAt(Date.now() - hour)}-7000-8000-000000000000`, 'slow'])
    await pool.query(insert, [`${idAt(Date.now() + hour)}-4000-8000-000000000000`, 'random'])
    expect(await findings(asOperator(database), 'IDS_AHEAD')).toEqual([])
    await pool.query(insert, [`${idAt(Date.now() + hour)}-7000-8000-000000000000`, 'fast'])
    expect(await findings(asOperator(database), 'IDS_AHEAD')).toMatchObject([
      { what: expect.stringMatching(/^Source "fast" writes ids up to (59|60) min/) },
    ])
  })

  test('a table that somebody holds a lock on is skipped, and the rest is looked at', async () => {
    const locking = await database.pool.connect()
    let asking: pg.PoolClient | undefined
    try {
      await locking.query('BEGIN; LOCK TABLE oncebox.scheduled IN ACCESS EXCLUSIVE MODE')
      asking = await asOperator(database).connect()
      await asking.query(`SET lock_timeout = '100ms'`)
      const reports = await doctor(asking, { limits: { sampleMs: 0, tableLockMs: 0 } })
      const skipped = reports.filter(({ reason }) => reason === 'somebody holds a lock on it')
      expect(skipped.map(({ check }) => check)).toContain('scheduled messages come due')
      expect(reports.find(({ check }) => check === 'no dead letters wait')?.state).toBe('fine')
      const { rows } = await locking.query('SELECT pg_backend_pid() AS pid')
      expect(reports.find(({ check }) => check === 'nobody locks the tables')?.findings).toMatchObject([
        {
          code: 'TABLES_LOCKED',
          severity: 'problem',
          what: expect.stringMatching(new RegExp(`^Pid ${rows[0].pid} .*: scheduled\\.$`)),
          next: expect.stringContaining(`pg_terminate_backend(${rows[0].pid})`),
        },
      ])
      // A moment is no finding.
      const brief = await doctor(asking, { limits: { sampleMs: 0, tableLockMs: hour } })
      expect(brief.find(({ check }) => check === 'nobody locks the tables')?.state).toBe('fine')
    } finally {
      asking?.release(true)
      locking.release(true)
    }
  })
})

test('settings of the server: durability, forgotten transactions, and a slot that nobody reads', async () => {
  const server = await startPostgres()
  try {
    const pool = poolOf(server.url)
    const client = await pool.connect()
    await migrate(client)
    const of = async (code: 'COMMITS_NOT_DURABLE' | 'IDLE_TRANSACTIONS_UNLIMITED' | 'SLOT_WAL_UNLIMITED') =>
      (await findings(pool, code)).map(({ severity, what }) => `${severity}: ${what}`)
    try {
      expect(await of('COMMITS_NOT_DURABLE')).toEqual([])
      expect(await of('SLOT_WAL_UNLIMITED')).toEqual([])
      expect(await of('IDLE_TRANSACTIONS_UNLIMITED')).toEqual([expect.stringContaining('advice: idle_in_transaction')])
      await client.query(`ALTER SYSTEM SET fsync = off`)
      await client.query(`ALTER SYSTEM SET idle_in_transaction_session_timeout = '10min'`)
      await client.query(`ALTER ROLE postgres SET synchronous_commit = off`)
      await client.query(`SELECT pg_create_physical_replication_slot('forgotten', true)`)
      await server.restart()
    } finally {
      client.release(true)
      await pool.end()
    }
    const again = poolOf(server.url)
    const found = (await examine(again)).flatMap((check) => check.findings)
    await again.end()
    const said = (code: string) =>
      found.filter((one) => one.code === code).map(({ severity, what }) => `${severity}: ${what}`)
    expect(said('COMMITS_NOT_DURABLE')).toEqual([
      expect.stringContaining('problem: fsync is off'),
      expect.stringContaining('advice: synchronous_commit is off'),
    ])
    expect(said('IDLE_TRANSACTIONS_UNLIMITED')).toEqual([])
    expect(said('SLOT_WAL_UNLIMITED')).toEqual([
      expect.stringContaining('problem: Nobody reads replication slot "forgotten"'),
    ])
  } finally {
    await server.remove()
  }
})

test('a standby', async () => {
  const primary = await startPostgres({ settings: fastSettings })
  const standby = await startStandby(primary, { settings: fastSettings })
  const pool = poolOf(standby.url)
  try {
    expect(await findings(pool, 'SERVER_UNSUITED')).toMatchObject([{ what: 'The server is a standby.' }])
  } finally {
    await pool.end()
    await standby.remove()
    await primary.remove()
  }
})
