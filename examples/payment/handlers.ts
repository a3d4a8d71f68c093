import type { Handlers } from '@oncebox/inbox'
import type { messages } from './messages.ts'
import { pay } from './payments.ts'

/** Pays, and writes down what the request was told. */
export const handlers = {
  'payment.requested': async ({ id, data }, { tx }) => {
    const { outcome, result } = await pay(tx, data)
    await tx.query('INSERT INTO answer (message_id, serial, outcome, status, number) VALUES ($1, $2, $3, $4, $5)', [
      id,
      data.serial,
      outcome,
      result.status,
      result.number,
    ])
  },
} satisfies Handlers<typeof messages, unknown>
