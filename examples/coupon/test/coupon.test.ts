import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))

it('G3: the coupon example redeems every valid coupon once, whoever is killed, and tells used ones from refused ones', async () => {
  await using database = await testDatabase()
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: { PATH: process.env.PATH, DATABASE_URL: database.url },
    timeout: 150_000,
  })
  expect(stdout.trim().split('\n')).toEqual([
    '70 requests, 210 deliveries, 3 processes killed at work',
    '12 × it has expired',
    '4 × it is withdrawn',
    '13 × redeemed',
    '36 × somebody else has redeemed it',
    '4 × there is no such coupon',
    '1 × you have redeemed it',
  ])

  const all = async (sql: string) => (await database.pool.query(sql)).rows
  expect(
    await all(
      `select split_part(code, '-', 1) as kind, state, uses, count(*)::int,
         bool_and((redeemed_by is null) = (uses = 0) and (redeemed_at is null) = (uses = 0)) as consistent
       from coupon group by 1, 2, 3 order by 1`,
    ),
  ).toEqual([
    { kind: 'GOOD', state: 'redeemed', uses: 1, count: 12, consistent: true },
    { kind: 'OLD', state: 'unused', uses: 0, count: 3, consistent: true },
    { kind: 'TWICE', state: 'redeemed', uses: 1, count: 1, consistent: true },
    { kind: 'WITHDRAWN', state: 'withdrawn', uses: 0, count: 1, consistent: true },
  ])
  // The one who was told that it is theirs is the one whose name stands at the coupon.
  expect(
    await all(
      `select from coupon full join (select * from answer where told = 'redeemed') as told using (code)
       where redeemed_by is distinct from customer`,
    ),
  ).toEqual([])
  expect(await all('select count(*)::int, count(distinct message_id)::int as messages from answer')).toEqual([
    { count: 70, messages: 70 },
  ])
  // The kills took something from somebody's hands each time, and nothing was given up.
  const [{ again, buried }] = (await all(
    `select (select count(*)::int from pgboss.job where retry_count > 0) as again,
       (select count(*)::int from oncebox.dead_letter) as buried`,
  )) as [{ again: number; buried: number }]
  expect(again).toBeGreaterThanOrEqual(3)
  expect(buried).toBe(0)
}, 180_000)
