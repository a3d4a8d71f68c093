import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))

it('G3: the activity statistics example counts every view once, whoever is killed while each message comes three times', async () => {
  await using database = await testDatabase()
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: { PATH: process.env.PATH, DATABASE_URL: database.url },
    timeout: 150_000,
  })
  expect(stdout.trim().split('\n')).toEqual([
    '204 views, and 60 that were rolled back',
    '612 deliveries, 3 processes killed at work',
    'quiz: 66 views by 20 users, wrong for 0',
    'raffle: 68 views by 20 users, wrong for 0',
    'sale: 70 views by 20 users, wrong for 0',
  ])

  // What each of the 20 users looked at is a rule, so that the rows can be known without asking the database.
  const expected = Array.from({ length: 20 }, (_, user) =>
    ['quiz', 'raffle', 'sale'].map((act, place) => ({ act_code: act, user_id: user, views: 1 + ((user + place) % 6) })),
  ).flat()
  const { rows } = await database.pool.query(
    'SELECT act_code, user_id::int, views::int FROM activity_stats ORDER BY user_id, act_code',
  )
  expect(rows).toEqual(expected)
}, 180_000)
