import type { IdSource, Tx } from '@oncebox/core'
import { type BusinessKeyResult, businessKey } from '@oncebox/guards'
import type { Outbox } from '@oncebox/outbox'
import type { messages, Order } from './messages.ts'

/** Places the order of a user for an event, once; whoever asks again gets the order that is there. */
export function placeOrder(
  tx: Tx,
  { user, event }: Pick<Order, 'user' | 'event'>,
  { ids, outbox }: { ids: IdSource; outbox: Outbox<typeof messages> },
): Promise<BusinessKeyResult<{ order: string }>> {
  return businessKey(tx, { scope: 'order', key: `${user}/${event}` }, async () => {
    const order = ids.next()
    await tx.query('INSERT INTO orders (id, user_id, event) VALUES ($1, $2, $3)', [order, user, event])
    await outbox.emit(tx, 'order.placed', { id: order, user, event })
    return { order }
  })
}
