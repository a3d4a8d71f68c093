// A shop: `node shop.ts postgres://…/shop postgres://…/ids`. Runs until SIGTERM. POST /orders takes { user, event };
// GET /ids tells where ids come from.
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { pgDatabase } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import pg from 'pg'
import { openIds } from './ids.ts'
import { messages, type Order } from './messages.ts'
import { placeOrder } from './orders.ts'

const [shopUrl = '', idServiceUrl = ''] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString: shopUrl, max: 10 })
const db = pgDatabase(pool)
const { ids, ready, close } = openIds(idServiceUrl, (event) => console.log(`ids ${event}`))
const outbox = createOutbox({ source: 'shop', messages, ids })

/** Every request has an id, whatever becomes of it. */
async function order(request: IncomingMessage): Promise<{ status: number; body: object }> {
  const id = ids.next()
  try {
    const asked = (await json(request)) as Order
    const { outcome, result } = await db.transaction(({ tx }) => placeOrder(tx, asked, { ids, outbox }))
    return { status: 200, body: { request: id, outcome, order: result.order } }
  } catch (error) {
    console.error(error)
    return { status: 500, body: { request: id } }
  }
}

const server = createServer(async (request, response) => {
  const isOrder = request.method === 'POST' && request.url === '/orders'
  const { status, body } = isOrder ? await order(request) : { status: 200, body: { state: ids.state, ...ids.counters } }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
})
await ready()
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
console.log(`port ${(server.address() as AddressInfo).port}`)
console.log('open')

process.once('SIGTERM', () => {
  server.closeIdleConnections()
  server.close(async () => {
    await close()
    await pool.end()
  })
})
