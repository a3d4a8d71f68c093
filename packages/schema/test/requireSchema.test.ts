import { currentVersion, migrate, readMigrations, requireSchema } from '@oncebox/schema'
import { postgresVersions, testDatabase } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { sessions } from './sessions.js'

describe.each(postgresVersions)('requireSchema on Postgres %i', (version) => {
  test('no schema, an empty one, and one that is too old are refused with the command to run', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    const refused = { code: 'SCHEMA_NOT_MIGRATED', retryable: false }
    await expect(requireSchema(client)).rejects.toMatchObject({ ...refused, next: 'Run "oncebox migrate".' })
    await client.query(`CREATE SCHEMA "it's mine"`)
    await expect(requireSchema(client, { schema: "it's mine" })).rejects.toMatchObject({
      ...refused,
      next: `Run "oncebox migrate --schema 'it'\\''s mine'".`,
    })
    await migrate(client, { migrations: readMigrations().slice(0, 2) })
    await expect(requireSchema(client)).rejects.toMatchObject({
      ...refused,
      message: `Schema "oncebox" is at version 2, and version ${currentVersion} is needed. Run "oncebox migrate".`,
    })
    expect(await requireSchema(client, { minimumVersion: 2 })).toBe(2)
  })

  test('the current version and a newer one will do, also for a role that may only read', async () => {
    await using database = await testDatabase({ version })
    await using open = sessions(database.url)
    const client = await open.open()
    await migrate(client)
    await client.query('BEGIN TRANSACTION READ ONLY')
    expect(await requireSchema(client)).toBe(currentVersion)
    await client.query('COMMIT')
    await client.query(`INSERT INTO oncebox.migration VALUES (${currentVersion + 1}, 'later', '')`)
    expect(await requireSchema(client)).toBe(currentVersion + 1)
  })
})
