import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))

it('G3: the account example deducts fifty times at once, whoever is killed: the balance is exact and never negative', async () => {
  await using database = await testDatabase()
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: { PATH: process.env.PATH, DATABASE_URL: database.url },
    timeout: 150_000,
  })
  expect(stdout.trim().split('\n')).toEqual([
    '80 requests, 240 deliveries, 2 processes killed at work',
    'fifty-at-once: 10 left, version 34; 33 done, 17 not enough money',
    'seen-by-ten: 900 left, version 2; 1 done, 9 outdated',
    'to-the-last-cent: 0 left, version 21; 20 done',
  ])

  const all = async (sql: string) => (await database.pool.query(sql)).rows
  expect(await all('select id, money::int, version from account order by id')).toEqual([
    { id: 'fifty-at-once', money: 1_000 - 33 * 30, version: 1 + 33 },
    { id: 'seen-by-ten', money: 1_000 - 100, version: 1 + 1 },
    { id: 'to-the-last-cent', money: 0, version: 1 + 20 },
  ])
  expect(await all('select count(*)::int, count(distinct message_id)::int as messages from answer')).toEqual([
    { count: 80, messages: 80 },
  ])
  // The kills took something from somebody's hands each time, and nothing was given up.
  const [{ again, buried }] = (await all(
    `select (select count(*)::int from pgboss.job where retry_count > 0) as again,
       (select count(*)::int from oncebox.dead_letter) as buried`,
  )) as [{ again: number; buried: number }]
  expect(again).toBeGreaterThanOrEqual(2)
  expect(buried).toBe(0)
}, 180_000)
