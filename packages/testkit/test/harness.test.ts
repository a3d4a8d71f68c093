import { postgresVersions, testDatabase, uniqueName } from '@oncebox/testkit/harness'
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

test('unique names differ and suit topics, groups and databases', () => {
  const names = new Set(Array.from({ length: 100 }, () => uniqueName('orders')))
  expect(names.size).toBe(100)
  for (const name of names) expect(name).toMatch(/^orders_[0-9a-f]{12}$/)
})
