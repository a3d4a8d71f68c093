import { execFileSync } from 'node:child_process'
import { startPgbouncer } from '@oncebox/testkit'
import { pgbouncerMissing, testDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { describe, expect, test } from 'vitest'

describe.skipIf(pgbouncerMissing())('pgbouncer', () => {
  test.each([
    ['transaction', 1],
    ['session', 2],
  ] as const)('in %s mode gives two idle clients %i backend(s), without root, and ends', async (poolMode, backends) => {
    await using database = await testDatabase()
    const pooler = await startPgbouncer({ url: database.url, poolMode })
    const clients = [1, 2].map(() => new pg.Client({ connectionString: pooler.through(database.url) }))
    const pids = new Set<number>()
    for (const client of clients) {
      await client.connect()
      pids.add((await client.query('select pg_backend_pid() as pid')).rows[0].pid)
    }
    expect(pids.size).toBe(backends)
    expect(execFileSync('ps', ['-o', 'uid=', '-p', String(pooler.pid)], { encoding: 'utf8' }).trim()).not.toBe('0')
    await Promise.all(clients.map((client) => client.end()))
    await pooler.remove()
    const late = new pg.Client({ connectionString: pooler.through(database.url) })
    await expect(late.connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('a wrong setting is reported with its log', async () => {
    await using database = await testDatabase()
    const wrong = startPgbouncer({ url: database.url, settings: { pool_mode: 'nonsense' } })
    await expect(wrong).rejects.toThrow(/nonsense|pool_mode/)
  })
})
