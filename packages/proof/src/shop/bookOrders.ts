import type { Message, Tx } from '@oncebox/core'
import type { OrderPlaced } from './orderContract.js'

/** Billing's effect of one order: an entry in the ledger and a running total. The total's row keeps bookings apart. */
export async function bookOrder({ data }: Pick<Message<OrderPlaced>, 'data'>, tx: Tx): Promise<void> {
  await tx.query(
    `insert into balance (account, total) values ($1, $2)
     on conflict (account) do update set total = balance.total + excluded.total`,
    [data.account, data.amount],
  )
  await tx.query('insert into ledger (order_id, account, amount) values ($1, $2, $3)', [
    data.id,
    data.account,
    data.amount,
  ])
}
