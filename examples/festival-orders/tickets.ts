import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer, type Handlers } from '@oncebox/inbox'
import type { Subscriber } from '@oncebox/transport'
import type { Pool } from 'pg'
import { messages } from './messages.ts'

export const group = 'tickets'

/** Prints a ticket. */
export const handlers = {
  'order.placed': async ({ data }, { tx }) => {
    await tx.query('INSERT INTO ticket (order_id, user_id, event) VALUES ($1, $2, $3)', [
      data.id,
      data.user,
      data.event,
    ])
  },
} satisfies Handlers<typeof messages, unknown>

/** Prints a ticket for each order. */
export function ticketPrinter(pool: Pool, subscriber: Subscriber) {
  return createConsumer({ db: pgDatabase(pool), subscriber, group, messages, handlers })
}
