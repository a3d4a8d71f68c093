import type { Tx } from '@oncebox/core'
import { businessKey } from '@oncebox/guards'
import type { MessageHandler } from '@oncebox/inbox'
import type { Pool } from 'pg'
import type { OrderPaid } from './messages.ts'

const add = (db: Tx, { customer, cents }: OrderPaid) =>
  db.query('UPDATE customer SET points = points + $2 WHERE id = $1', [customer, cents / 100])

const enter = (db: Tx, { order, cents }: OrderPaid) =>
  db.query('INSERT INTO entry (order_id, points) VALUES ($1, $2)', [order, cents / 100])

/** As it was first: it looks harmless, and its tests were green. */
export const first =
  (pool: Pool): MessageHandler<OrderPaid, unknown> =>
  async ({ data }, { tx }) => {
    await enter(tx, data)
    // The repository that was at hand has a pool of its own.
    await add(pool, data)
  }

/** Mended once: both writes are in the consumer's transaction. */
export const second: MessageHandler<OrderPaid, unknown> = async ({ data }, { tx }) => {
  await enter(tx, data)
  await add(tx, data)
}

/** Mended twice: an order brings its points once, in however many messages somebody tells of it. */
export const third: MessageHandler<OrderPaid, unknown> = async ({ data }, { tx }) => {
  await businessKey(tx, { scope: 'points', key: data.order }, async () => {
    await enter(tx, data)
    await add(tx, data)
  })
}
