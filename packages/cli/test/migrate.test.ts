import { testDatabase } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { jsonLines, oncebox } from './oncebox.js'

const hostile = 'Bob\'s "out;box"\\ -- 100%'

describe.each(['oncebox', hostile])('in a schema named %j', (schema) => {
  const flags = ['--schema', schema]

  test('plan, migrate, plan: pending, applied, nothing to do', async () => {
    await using database = await testDatabase()
    const environment = { DATABASE_URL: database.url }

    const before = await oncebox(['plan', '--json', ...flags], { environment })
    expect(before.code).toBe(1)
    const [pending] = jsonLines(before.stdout)
    expect(pending).toMatchObject({ schema, databaseVersion: null })
    const codeVersion = pending?.codeVersion as number
    expect(pending?.migrations).toHaveLength(codeVersion)

    const migrated = await oncebox(['migrate', '--json', ...flags], { environment })
    expect(migrated.code).toBe(0)
    expect(jsonLines(migrated.stdout)).toEqual([
      { schema, databaseVersion: codeVersion, codeVersion, applied: expect.objectContaining({ length: codeVersion }) },
    ])

    const again = await oncebox(['migrate', ...flags], { environment })
    expect(again.code).toBe(0)
    expect(again.stdout).toContain('nothing to do')

    const after = await oncebox(['plan', ...flags], { environment })
    expect(after.code).toBe(0)
    expect(after.stdout).toContain('Nothing to do.')
  })

  test('what migrate --print writes is applied by a driver as it stands, and plan knows it', async () => {
    await using database = await testDatabase()
    const environment = { DATABASE_URL: database.url }
    const printed = await oncebox(['migrate', '--print', ...flags])
    expect(printed).toMatchObject({ code: 0, stderr: '' })

    const client = await database.pool.connect()
    try {
      await client.query(`begin;\n${printed.stdout}\ncommit`)
    } finally {
      client.release()
    }
    expect((await oncebox(['plan', ...flags], { environment })).code).toBe(0)
    expect((await oncebox(['migrate', ...flags], { environment })).stdout).toContain('nothing to do')
  })
})

test('ten migrate at once all end well, and each migration is applied by one of them', async () => {
  await using database = await testDatabase()
  const environment = { DATABASE_URL: database.url }
  const runs = await Promise.all(Array.from({ length: 10 }, () => oncebox(['migrate', '--json'], { environment })))
  expect(runs.map(({ code }) => code)).toEqual(Array(10).fill(0))
  const versions = runs
    .flatMap(({ stdout }) => jsonLines(stdout))
    .flatMap(({ applied }) => applied as { version: number }[])
    .map(({ version }) => version)
    .sort((a, b) => a - b)
  const { rows } = await database.pool.query<{ version: number }>('select version from oncebox.migration order by 1')
  expect(versions).toEqual(rows.map(({ version }) => version))
}, 60_000)

test('--from prints from that migration on, and --json wraps the SQL in one document', async () => {
  const all = await oncebox(['migrate', '--print'])
  const later = await oncebox(['migrate', '--print', '--from', '2', '--json'])
  const [document] = jsonLines(later.stdout)
  expect(document?.schema).toBe('oncebox')
  expect(all.stdout).toContain('CREATE SCHEMA')
  expect(document?.sql).not.toContain('CREATE SCHEMA')
  expect(document?.sql).toContain('Migration 0002')
})

test('a changed migration is refused by migrate and shown by plan', async () => {
  await using database = await testDatabase()
  const environment = { DATABASE_URL: database.url }
  await oncebox(['migrate'], { environment })
  await database.pool.query(`update oncebox.migration set checksum = repeat('0', 64) where version = 2`)

  const plan = await oncebox(['plan'], { environment })
  expect(plan.code).toBe(1)
  expect(plan.stdout).toMatch(/^2 .*changed/m)
  const migrate = await oncebox(['migrate', '--json'], { environment })
  expect({ code: migrate.code, stdout: migrate.stdout }).toEqual({ code: 1, stdout: '' })
  expect(jsonLines(migrate.stderr)).toContainEqual(expect.objectContaining({ code: 'MIGRATION_CHANGED' }))
})

test('a database that does not exist is named as the thing to create, with exit code 3', async () => {
  await using database = await testDatabase()
  const elsewhere = new URL(database.url)
  elsewhere.pathname = '/no_such_database'
  const { code, stderr } = await oncebox(['plan'], { environment: { DATABASE_URL: elsewhere.href } })
  expect(code).toBe(3)
  expect(stderr).toContain('create it')
})
