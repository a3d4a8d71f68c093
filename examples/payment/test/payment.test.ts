import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))

it('G3: the payment example pays once for ten messages with one serial number, whoever is killed, and tells all the same', async () => {
  await using database = await testDatabase()
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: { PATH: process.env.PATH, DATABASE_URL: database.url },
    timeout: 150_000,
  })
  expect(stdout.trim().split('\n')).toEqual([
    '55 requests, 165 deliveries, 3 processes killed at work',
    '1 × 10 requests: 1 applied, 9 duplicate, the same answer: paid',
    '1 × 5 requests: 1 applied, 4 duplicate, the same answer: declined',
    '20 × 2 requests: 1 applied, 1 duplicate, the same answer: paid',
    'by hand: refused by the unique index',
  ])

  const all = async (sql: string) => (await database.pool.query(sql)).rows
  // Of 22 serial numbers, all but the one that was declined are paid, once each, with the amount asked for.
  expect(
    await all(`select count(*)::int, count(distinct serial)::int as serials, sum(cents)::int as cents from payment`),
  ).toEqual([{ count: 21, serials: 21, cents: 100 * ((22 * 23) / 2 - 2) }])
  expect(await all(`select from payment where cents <> 100 * substr(serial, 3)::int`)).toEqual([])
  // Every message was answered once, with the number under which the payment really stands.
  expect(await all('select count(*)::int, count(distinct message_id)::int as messages from answer')).toEqual([
    { count: 55, messages: 55 },
  ])
  expect(
    await all(
      'select from answer left join payment using (serial) where answer.number is distinct from payment.number',
    ),
  ).toEqual([])
  // The kills took something from somebody's hands each time, and nothing was given up.
  const [{ again, buried }] = (await all(
    `select (select count(*)::int from pgboss.job where retry_count > 0) as again,
       (select count(*)::int from oncebox.dead_letter) as buried`,
  )) as [{ again: number; buried: number }]
  expect(again).toBeGreaterThanOrEqual(3)
  expect(buried).toBe(0)
}, 180_000)
