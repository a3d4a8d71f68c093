import { spawnSync } from 'node:child_process'
import { migrate, plan, printMigrations, requireSchema, tables } from '@oncebox/schema'
import { postgresVersions, type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sessions } from './sessions.js'

/** One of each kind that has to be quoted in another way. */
const worst = ['"; DROP SCHEMA public; --', "it's", 'back\\slash', '$oncebox$', `%I :name $${'{name}'} /*`]

const hostile = [
  ...worst,
  'we"ird',
  '""',
  'with space',
  'dots.in.name',
  'Größe 箱 📦',
  'UPPER Case',
  'x'.repeat(63),
  `${'é'.repeat(31)}x`,
  '$$',
  'select',
  'user',
  'new\nline',
]

const psqlMissing = spawnSync('psql', ['--version']).status === 0 ? '' : ' (skipped: there is no psql on this machine)'

describe.each(postgresVersions)('schema names on Postgres %i', (version) => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await testDatabase({ version })
  })
  afterAll(() => database?.drop())

  test.each(version === 18 ? hostile : worst)('%j serves to migrate, print, emit and read', async (schema) => {
    await using open = sessions(database.url)
    const client = await open.open()
    const { outbox, emit, schema: quoted } = tables(schema)
    await migrate(client, { schema })
    await requireSchema(client, { schema })
    await client.query(`SET search_path TO ''`)
    await client.query(`SELECT ${emit}('orders', 'k', 'created', '{"a": 1}'::jsonb)`)
    const emitted = await client.query(`SELECT topic, convert_from(payload, 'UTF8') AS payload FROM ${outbox}`)
    expect(emitted.rows).toEqual([{ topic: 'orders', payload: '{"a": 1}' }])

    // Printed into a fresh schema of the same name, migrate knows it.
    await client.query(`DROP SCHEMA ${quoted} CASCADE`)
    await client.query(printMigrations({ schema }))
    expect((await migrate(client, { schema })).applied).toEqual([])
    expect(new Set((await plan(client, { schema })).migrations.map(({ state }) => state))).toEqual(new Set(['applied']))
    await client.query(`SELECT ${emit}('orders', 'k', 'created', 'x'::text)`)
    const { rows } = await client.query(`SELECT current_setting('search_path') AS path`)
    expect(rows[0].path).toBe('""')
  })
})

test.skipIf(psqlMissing !== '')(`what is printed runs in psql, with the worst names too${psqlMissing}`, async () => {
  await using database = await testDatabase()
  await using open = sessions(database.url)
  const client = await open.open()
  for (const schema of worst) {
    const options = ['--no-psqlrc', '--quiet', '--set', 'ON_ERROR_STOP=1', '--single-transaction', '--file', '-']
    const psql = spawnSync('psql', [database.url, ...options], { input: printMigrations({ schema }), encoding: 'utf8' })
    expect(psql.stderr).toBe('')
    expect(psql.status).toBe(0)
    expect((await migrate(client, { schema })).applied).toEqual([])
  }
})

test.each([
  ['empty', ''],
  ['64 bytes long', 'x'.repeat(64)],
  ['64 bytes long in 32 characters', 'é'.repeat(32)],
  ['with a NUL', 'a\0b'],
  ['of Postgres itself', 'pg_mine'],
])('a schema name %s is refused before anything is sent', async (_what, schema) => {
  const never = { query: () => Promise.reject(new Error('nothing may be sent')) }
  const refused = { code: 'INVALID_SETTING' }
  expect(() => tables(schema)).toThrow(expect.objectContaining(refused))
  expect(() => printMigrations({ schema })).toThrow(expect.objectContaining(refused))
  await expect(migrate(never, { schema })).rejects.toMatchObject(refused)
  await expect(plan(never, { schema })).rejects.toMatchObject(refused)
  await expect(requireSchema(never, { schema })).rejects.toMatchObject(refused)
})
