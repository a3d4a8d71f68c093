// Places orders: `node producer.ts --orders 5 --database-url postgres://…`
// Each order is paid in a second transaction; every fifth customer changes their mind while the order is written.
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { fromKysely } from '@oncebox/core/kysely'
import { createOutbox } from '@oncebox/outbox'
import { openDatabase, type Shop } from './database.ts'
import { messages } from './messages.ts'

const { values: flags } = parseArgs({
  options: {
    orders: { type: 'string', default: '5' },
    'database-url': { type: 'string', default: process.env.DATABASE_URL ?? '' },
  },
})

const db = await openDatabase<Shop>(flags['database-url'])
await db.schema
  .createTable('orders')
  .ifNotExists()
  .addColumn('id', 'uuid', (column) => column.primaryKey())
  .addColumn('customer', 'text', (column) => column.notNull())
  .addColumn('cents', 'integer', (column) => column.notNull())
  .addColumn('paid', 'boolean', (column) => column.notNull())
  .execute()

const outbox = createOutbox({ source: 'order-service', messages })

class ChangedTheirMind extends Error {}

/** Writes the order and its message in one transaction: both are there afterwards, or neither. */
async function placeOrder(id: string, number: number): Promise<void> {
  const order = { id, customer: `customer-${number % 3}`, cents: 100 * number }
  await db.transaction().execute(async (trx) => {
    await trx
      .insertInto('orders')
      .values({ ...order, paid: false })
      .execute()
    await outbox.emit(fromKysely(trx), 'order.placed', order)
    if (number % 5 === 0) throw new ChangedTheirMind()
  })
}

/** The update takes the order's row before `emit`: that is what puts the messages of a key in order. */
async function payOrder(id: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { cents } = await trx
      .updateTable('orders')
      .set({ paid: true })
      .where('id', '=', id)
      .returning('cents')
      .executeTakeFirstOrThrow()
    await outbox.emit(fromKysely(trx), 'order.paid', { id, paidCents: cents })
  })
}

for (let number = 1; number <= Number(flags.orders); number++) {
  const id = randomUUID()
  try {
    await placeOrder(id, number)
    await payOrder(id)
    console.log(`order ${number} placed and paid`)
  } catch (error) {
    if (!(error instanceof ChangedTheirMind)) throw error
    console.log(`order ${number} rolled back`)
  }
}
await db.destroy()
