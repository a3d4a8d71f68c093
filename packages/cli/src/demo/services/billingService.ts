import { openSync, writeSync } from 'node:fs'
import type { Message, Tx } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { batch, createConsumer } from '@oncebox/inbox'
import type { Subscriber } from '@oncebox/transport'
import pg from 'pg'
import { openTransport } from '../openTransport.js'
import { type OrderPlaced, orderMessages } from '../orderContract.js'
import { reporter, setupOfProcess } from '../serviceSetup.js'

// The billing service: books every order once, in a ledger and in a running balance. Neither table would refuse a
// second booking. Every delivery is logged before its transaction begins, so the log knows what came twice.

const setup = setupOfProcess()
const pool = new pg.Pool({ connectionString: setup.billingUrl, max: 4 })
pool.on('error', () => undefined)
const log = openSync(setup.deliveryLog, 'a')
let received = 0
const report = reporter(() => ({ count: received }))

function logging(subscriber: Subscriber): Subscriber {
  return {
    name: subscriber.name,
    retentionMs: (topic) => subscriber.retentionMs(topic),
    close: () => subscriber.close(),
    subscribe: (options, handler) =>
      subscriber.subscribe(options, {
        assigned: (partitions) => handler.assigned(partitions),
        revoked: (partitions) => handler.revoked(partitions),
        batch(delivered) {
          const orders = delivered.records.map(
            (record) => (JSON.parse(Buffer.from(record.value ?? []).toString()) as OrderPlaced).id,
          )
          writeSync(log, `${orders.join('\n')}\n`)
          received += orders.length
          return handler.batch(delivered)
        },
      }),
  }
}

/** Books orders in their order. The balances are written first: their row locks keep two bookings of an account apart. */
async function book(orders: readonly Message<OrderPlaced>[], tx: Tx): Promise<void> {
  const rows = JSON.stringify(orders.map((message) => message.data))
  await tx.query(
    `insert into balance (account, total)
     select account, sum(amount) from jsonb_to_recordset($1::text::jsonb) as placed (account int, amount bigint)
     group by account order by account
     on conflict (account) do update set total = balance.total + excluded.total`,
    [rows],
  )
  await tx.query(
    `insert into ledger (order_id, account, sequence, amount)
     select (placed ->> 'id')::uuid, (placed ->> 'account')::int, (placed ->> 'sequence')::int, (placed ->> 'amount')::int
     from jsonb_array_elements($1::text::jsonb) with ordinality as orders (placed, place) order by place`,
    [rows],
  )
}

const transport = await openTransport(setup)
const consumer = createConsumer({
  db: pgDatabase(pool),
  subscriber: logging(transport),
  group: setup.group,
  messages: orderMessages(setup.topic),
  handlers: { 'order.placed': batch((orders: readonly Message<OrderPlaced>[], { tx }) => book(orders, tx)) },
  // Jobs of pg-boss wait for ever; none of this run grows older than the inbox's memory.
  allowLongerRetention: true,
})
await consumer.start()
report.ready()

process.once('SIGTERM', async () => {
  await consumer.stop({ deadlineMs: 5_000 })
  await transport.close()
  await pool.end()
  report.done()
})
