import { currentVersion, migrate, printMigrations, readMigrations, schemaVersion } from '@oncebox/schema'
import { postgresVersions, testDatabase } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { outcome, sessions } from './sessions.js'

describe.each(postgresVersions)('printed migrations on Postgres %i', (version) => {
  test('the tail from a version completes a database that was migrated up to it', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    await migrate(client, { migrations: readMigrations().slice(0, 2) })
    expect(await schemaVersion(client)).toBe(2)
    await client.query(printMigrations({ from: 3 }))
    expect(await schemaVersion(client)).toBe(currentVersion)
    expect((await migrate(client)).applied).toEqual([])
  })

  test('applied a second time, it stops at the first statement that would change anything', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    await client.query(printMigrations())
    expect(await outcome(client.query(printMigrations()))).toBe('23505')
    expect((await migrate(client)).applied).toEqual([])
  })

  test('the search_path of the session is as before, inside a transaction and outside', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    await client.query('SET search_path TO pg_catalog, public')
    await client.query('BEGIN')
    await client.query(printMigrations())
    await client.query('COMMIT')
    await client.query(printMigrations({ schema: 'second' }))
    const { rows } = await client.query('SHOW search_path')
    expect(rows[0].search_path).toBe('pg_catalog, public')
  })
})

test('printing again gives the same text, and nothing is printed past the newest version', () => {
  expect(printMigrations()).toBe(printMigrations())
  expect(printMigrations({ from: currentVersion + 1 })).toBe('')
})

test('what is printed leaves transactions to the tool that runs it and holds no placeholder of Flyway', () => {
  const printed = printMigrations()
  expect(printed).not.toMatch(/^\s*(BEGIN|COMMIT|ROLLBACK|START TRANSACTION)\s*;/im)
  expect(printed).not.toContain('${')
})
