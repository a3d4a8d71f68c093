import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { isUuidV7 } from '@oncebox/core'
import { testDatabase } from '@oncebox/testkit/harness'
import { expect, it } from 'vitest'

const program = fileURLToPath(new URL('../main.ts', import.meta.url))

it('G3: the festival example gives each user one order for an event, though shops and the id service are killed in a burst of 5,000 requests', async () => {
  await using database = await testDatabase()
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: { PATH: process.env.PATH, DATABASE_URL: database.url },
    timeout: 150_000,
  })
  expect(stdout.trim().split('\n')).toEqual([
    '5000 requests answered',
    'id service killed: both shops make ids themselves',
    'id service back: both shops take ids from it again',
    '2 shops killed',
    '0 ids given twice',
    '1000 orders told, 0 errors',
    '1000 orders, 0 of them a second one for a user and event',
    '1000 messages, 3000 deliveries, 1000 tickets',
  ])

  const { rows: orders } = await database.pool.query('SELECT user_id::int AS "user", event FROM orders ORDER BY 1, 2')
  const wanted = Array.from({ length: 500 }, (_, index) => index + 1).flatMap((user) =>
    ['closing night', 'opening night'].map((event) => ({ user, event })),
  )
  expect(orders).toEqual(wanted)
  // Every order has its ticket, and no other has one.
  const { rows: wrong } = await database.pool.query(
    `SELECT * FROM orders FULL JOIN ticket ON id = order_id AND orders.user_id = ticket.user_id AND orders.event = ticket.event
     WHERE id IS NULL OR order_id IS NULL`,
  )
  expect(wrong).toEqual([])
  // Whoever gave it, an id is a UUIDv7, and the consumer's memory goes by the time inside.
  const { rows: ids } = await database.pool.query('SELECT id FROM orders UNION ALL SELECT id FROM oncebox.outbox')
  expect(ids.filter(({ id }) => !isUuidV7(id))).toEqual([])
}, 180_000)
