import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))

it('the member sync example ends with the newest version of each member, whatever order pages came in and whoever was killed', async () => {
  await using database = await testDatabase()
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: { PATH: process.env.PATH, DATABASE_URL: database.url },
    timeout: 150_000,
  })
  expect(stdout.trim().split('\n')).toEqual([
    '40 messages, 120 deliveries, 3 processes killed at work',
    'nightly job, twice: SIGKILL, 0',
    '40 of 40 members, 40 in their newest version, 5 have left',
  ])

  // Everybody has changed five times, and every seventh has left with the last change.
  const { rows } = await database.pool.query(
    'SELECT directory, number::int, name, has_left, revision::int FROM member ORDER BY number',
  )
  expect(rows).toEqual(
    Array.from({ length: 40 }, (_, index) => index + 1).map((number) => ({
      directory: 'hr',
      number,
      name: `Member ${number}, change 5`,
      has_left: [7, 14, 21, 28, 35].includes(number),
      revision: 5,
    })),
  )
}, 180_000)
