import { once } from 'node:events'
import { postgresVersions, testDatabase, uniqueName } from '@oncebox/testkit/harness'
import pg from 'pg'
import { describe, expect, test } from 'vitest'

describe.each(postgresVersions)('the shared Postgres %i', (version) => {
  test('gives every caller a prepared database of its own, and drops it', async () => {
    const prepare = ({ pool }: { pool: { query(text: string): Promise<unknown> } }): Promise<unknown> =>
      pool.query('create table note (text text)')
    const first = await testDatabase({ version, prepare })
    await using second = await testDatabase({ version })

    await first.pool.query(`insert into note values ('here')`)
    const { rows } = await second.pool.query<{ there: boolean; major: string }>(
      `select to_regclass('note') is not null as there, current_setting('server_version_num')::int / 10000 as major`,
    )
    expect(rows).toEqual([{ there: false, major: version }])

    await first.drop()
    const { rows: left } = await second.pool.query('select 1 from pg_database where datname = $1', [first.name])
    expect(left).toEqual([])
  })
})

test('a database can be dropped under connections that were not given back', async () => {
  const database = await testDatabase()
  await using witness = await testDatabase()
  const forgotten = new pg.Client({ connectionString: database.url })
  const lost = once(forgotten, 'error')
  // A second error follows, that of the closed socket.
  forgotten.on('error', () => undefined)
  await forgotten.connect()
  await database.drop()
  expect(await lost).toMatchObject([{ code: '57P01' }])
  const { rows } = await witness.pool.query('select 1 from pg_database where datname = $1', [database.name])
  expect(rows).toEqual([])
})

test('unique names differ and suit topics, groups and databases', () => {
  const names = new Set(Array.from({ length: 100 }, () => uniqueName('orders')))
  expect(names.size).toBe(100)
  for (const name of names) expect(name).toMatch(/^orders_[0-9a-f]{12}$/)
})
