import { isOnceboxError, type Tx } from '@oncebox/core'
import {
  checksumOf,
  currentVersion,
  type Migration,
  migrate,
  plan,
  readMigrations,
  schemaVersion,
} from '@oncebox/schema'
import { fastSettings, startPostgres, startStandby, until } from '@oncebox/testkit'
import { postgresVersions, testDatabase, uniqueName } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { sessions, transactionPooler } from './sessions.js'

const all = Array.from({ length: currentVersion }, (_, index) => index + 1)
const states = async (tx: Tx, schema = 'oncebox') => (await plan(tx, { schema })).migrations.map(({ state }) => state)

/** Who waits to have the outbox for itself. */
async function waiting(tx: Tx): Promise<readonly object[]> {
  const { rows } = await tx.query(
    `SELECT pid FROM pg_locks
     WHERE NOT granted AND relation = 'oncebox.outbox'::regclass AND mode = 'AccessExclusiveLock'`,
  )
  return rows
}

function migrationOf(version: number, name: string, sql: string): Migration {
  return { version, name, file: `${String(version).padStart(4, '0')}_${name}.sql`, sql, checksum: checksumOf(sql) }
}

describe.each(postgresVersions)('migrate on Postgres %i', (version) => {
  test('an empty database is migrated, and then there is nothing to do', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    expect(await schemaVersion(client)).toBeNull()
    expect(await states(client)).toEqual(all.map(() => 'pending'))
    const first = await migrate(client)
    expect(first.applied.map((migration) => migration.version)).toEqual(all)
    expect(first.databaseVersion).toBe(currentVersion)
    expect((await migrate(client)).applied).toEqual([])
    expect(await schemaVersion(client)).toBe(currentVersion)
    expect(await states(client)).toEqual(all.map(() => 'applied'))
    const { rows } = await client.query('SHOW search_path')
    expect(rows[0].search_path).toBe('"$user", public')
  })

  test('ten processes at once give one result', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const clients = await Promise.all(all.concat(all).map(() => open.open()))
    const results = await Promise.all(clients.map((client) => migrate(client)))
    const applied = results.flatMap((result) => result.applied.map((migration) => migration.version))
    expect(applied.sort((one, other) => one - other)).toEqual(all)
    for (const result of results) expect(result.databaseVersion).toBe(currentVersion)
  })

  test('a pooler that gives every transaction another session is fine', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const pooler = (): Promise<Tx> => Promise.all([open.open(), open.open()]).then(transactionPooler)
    const poolers = await Promise.all([pooler(), pooler(), pooler()])
    await Promise.all(poolers.map((tx) => migrate(tx)))
    const left = await database.pool.query(
      `SELECT count(*)::int AS locks FROM pg_locks JOIN pg_database ON oid = database WHERE locktype = 'advisory' AND datname = current_database()`,
    )
    expect(left.rows[0].locks).toBe(0)
    expect(await states(database.pool)).toEqual(all.map(() => 'applied'))
  })

  test('the defaults of the session do not matter: serializable, read-only, another search_path', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const clients = await Promise.all([open.open(), open.open(), open.open(), open.open()])
    for (const client of clients) {
      await client.query(`SET default_transaction_isolation = 'serializable'; SET default_transaction_read_only = on;
        SET search_path TO pg_temp; SET check_function_bodies = off`)
    }
    await Promise.all(clients.map((client) => migrate(client)))
    expect(await states(database.pool)).toEqual(all.map(() => 'applied'))
  })

  test('a role that may create a schema and nothing else can migrate', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    const role = uniqueName('owner')
    await client.query(`CREATE ROLE ${role}`)
    try {
      await client.query(`GRANT CREATE ON DATABASE ${database.name} TO ${role}`)
      await client.query(`SET ROLE ${role}`)
      expect((await migrate(client)).applied).toHaveLength(currentVersion)
      await client.query('RESET ROLE')
      await client.query(`REVOKE CREATE ON DATABASE ${database.name} FROM ${role}`)
      await client.query(`SET ROLE ${role}`)
      expect((await migrate(client)).applied).toEqual([])
    } finally {
      await client.query(`RESET ROLE; DROP OWNED BY ${role}; DROP ROLE ${role}`)
    }
  })

  test('a failed migration names file, line and SQLSTATE, and nothing of it is kept', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    const sql = '-- ünïcode 📦📦\nCREATE TABLE half_done (a integer);\n\nCREATE TABLE wrong (a no_such_type);\n'
    const broken = migrationOf(currentVersion + 1, 'broken', sql)
    const migrations = [...readMigrations(), broken]
    const error = await migrate(client, { migrations }).catch((thrown: unknown) => thrown)
    expect(isOnceboxError(error, 'MIGRATION_FAILED') && error.message).toContain(
      `Migration ${broken.file}, line 4, failed in schema "oncebox" with SQLSTATE 42704`,
    )
    const { rows } = await client.query(`SELECT to_regclass('oncebox.half_done') AS half_done`)
    expect(rows[0].half_done).toBeNull()
    expect(await schemaVersion(client)).toBe(currentVersion)
    expect((await migrate(client)).applied).toEqual([])
  })

  test('a failed first migration leaves no schema behind', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    const migrations = [migrationOf(1, 'broken', 'SELECT 1/0')]
    await expect(migrate(client, { migrations })).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
    const { rows } = await client.query(`SELECT to_regnamespace('oncebox') AS schema`)
    expect(rows[0].schema).toBeNull()
  })

  test('a file that differs from what was applied is refused, by migrate and in the plan', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    await migrate(client)
    await client.query(`UPDATE oncebox.migration SET checksum = 'other' WHERE version = 2`)
    await expect(migrate(client)).rejects.toMatchObject({ code: 'MIGRATION_CHANGED' })
    expect((await states(client))[1]).toBe('changed')
  })

  test('an applied migration that the code does not have is refused when it is older, and fine when it is newer', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    const later = migrationOf(currentVersion + 1, 'later', 'CREATE TABLE later ()')
    await migrate(client, { migrations: [...readMigrations(), later] })

    const messages: string[] = []
    const note = (_fields: object, message: string): void => void messages.push(message)
    const result = await migrate(client, { logger: { debug: note, info: note, warn: note, error: note } })
    expect(result).toMatchObject({ applied: [], databaseVersion: currentVersion + 1, codeVersion: currentVersion })
    expect(messages).toEqual(['the schema is newer than this code: nothing to do'])
    expect((await states(client)).at(-1)).toBe('newer')

    const without = readMigrations().filter((migration) => migration.version !== 3)
    await expect(migrate(client, { migrations: without })).rejects.toMatchObject({ code: 'MIGRATION_MISSING' })
  })

  test('a migration that needs a table which a transaction holds lets writers through, and comes in when it ends', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const [client, reader] = [await open.open(), await open.open()]
    await migrate(client)
    const migrations = [
      ...readMigrations(),
      migrationOf(currentVersion + 1, 'alone', 'LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE'),
    ]
    await reader.query('BEGIN')
    await reader.query('LOCK TABLE oncebox.outbox IN ACCESS SHARE MODE')
    await expect(migrate(client, { migrations, lockPatienceMs: 0 })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      next: expect.stringContaining('xact_start'),
    })
    const migrating = migrate(client, { migrations })
    await until(async () => (await waiting(database.pool)).length === 1, { what: 'it to wait' })
    // Behind it in the queue, and then past it.
    await database.pool.query(`SELECT oncebox.emit('t', 'k', 'x', '1'::text)`)
    expect(await Promise.race([migrating, 'waiting'])).toBe('waiting')
    await reader.query('ROLLBACK')
    expect((await migrating).applied).toHaveLength(1)
    expect((await client.query('SHOW lock_timeout')).rows).toEqual([{ lock_timeout: '0' }])
  })

  test('a migration that was passed over is refused', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    await migrate(client)
    await client.query('DELETE FROM oncebox.migration WHERE version = 2')
    await expect(migrate(client)).rejects.toMatchObject({ code: 'MIGRATION_MISSING' })
    expect((await states(client))[1]).toBe('skipped')
  })
})

test('on a standby a migrated schema is fine, and pending migrations are refused', async () => {
  const primary = await startPostgres({ settings: fastSettings })
  const standby = await startStandby(primary, { settings: fastSettings })
  try {
    await using onPrimary = sessions(primary.url)
    await using onStandby = sessions(standby.url)
    const [writer, reader] = [await onPrimary.open(), await onStandby.open()]
    await expect(migrate(reader)).rejects.toMatchObject({ code: 'DATABASE_NOT_PRIMARY' })
    await migrate(writer)
    await until(async () => (await schemaVersion(reader)) === currentVersion, { what: 'the standby to follow' })
    expect((await migrate(reader)).applied).toEqual([])
  } finally {
    await standby.remove()
    await primary.remove()
  }
})

test('the checksum of a file is the same for every line ending', () => {
  const sum = checksumOf('a\nb\n')
  expect(checksumOf('a\r\nb\r\n')).toBe(sum)
  expect(checksumOf('a\rb\r')).toBe(sum)
  expect(checksumOf('\uFEFFa\nb\n')).toBe(sum)
  expect(checksumOf('a\nb')).not.toBe(sum)
})

test('the files are numbered from 1 without a gap, and the newest is the current version', () => {
  expect(readMigrations().map((migration) => migration.version)).toEqual(all)
})
