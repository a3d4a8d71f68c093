// A handler that is wrong in two ways, found and mended: `node main.ts`; with DATABASE_URL it uses that (empty) database,
// without it starts a Postgres of its own.
import { readFile } from 'node:fs/promises'
import type { MessageHandler } from '@oncebox/inbox'
import { chaos } from '@oncebox/testkit'
import pg from 'pg'
import { first, second, third } from './handlers.ts'
import { messages, type OrderPaid } from './messages.ts'

const tables = await readFile(new URL('points.sql', import.meta.url), 'utf8')
const database = process.env.DATABASE_URL
let pool: pg.Pool | undefined

async function attempt(name: string, handler: MessageHandler<OrderPaid, unknown>): Promise<void> {
  const report = await chaos(handler, {
    messages,
    message: { type: 'order.paid', data: { order: 'O-1', customer: 'ann', cents: 2_500 } },
    tables: `DROP TABLE IF EXISTS customer, entry; ${tables}`,
    // Points for an order are given once, whoever asks.
    oncePerRequest: ['customer', 'entry'],
    // Pools that the handler has besides connect to this string, so that their statements are seen.
    prepare: (connectionString) => {
      pool = new pg.Pool({ connectionString })
    },
    ...(database === undefined ? {} : { database }),
  })
  await pool?.end()
  console.log(`${name}: ${report.text}\n`)
}

await attempt('first', (message, context) => first(pool as pg.Pool)(message, context))
await attempt('second', second)
await attempt('third', third)
