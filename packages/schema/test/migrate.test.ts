import { currentVersion, migrate, plan, schemaVersion } from '@oncebox/schema'
import { fastSettings, type PostgresServer, startPostgres } from '@oncebox/testkit'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

describe.each([18, 15] as const)('on Postgres %i', (version) => {
  let server: PostgresServer
  const clients: pg.Client[] = []

  async function connect(url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    clients.push(client)
    return client
  }

  beforeAll(async () => {
    server = await startPostgres({ version, settings: fastSettings })
  }, 60_000)
  afterAll(async () => {
    for (const client of clients) await client.end()
    await server?.remove()
  })

  test('an empty database is migrated, and then there is nothing to do', async () => {
    const client = await connect(await server.createDatabase())
    expect(await schemaVersion(client)).toBeNull()
    const first = await migrate(client)
    expect(first.applied.map((migration) => migration.version)).toEqual([1, 2, 3, 4, 5])
    expect(first.databaseVersion).toBe(currentVersion)
    expect((await migrate(client)).applied).toEqual([])
    expect(await schemaVersion(client)).toBe(currentVersion)
    expect((await plan(client)).migrations.every((migration) => migration.state === 'applied')).toBe(true)
  })

  test('ten processes at once give one result', async () => {
    const url = await server.createDatabase()
    const sessions = await Promise.all(Array.from({ length: 10 }, () => connect(url)))
    const results = await Promise.all(sessions.map((session) => migrate(session)))
    const applied = results.flatMap((result) => result.applied.map((migration) => migration.version))
    expect(applied.sort()).toEqual([1, 2, 3, 4, 5])
    for (const result of results) expect(result.databaseVersion).toBe(currentVersion)
  })
})
