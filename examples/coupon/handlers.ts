import type { Handlers } from '@oncebox/inbox'
import { redeem } from './coupons.ts'
import type { messages } from './messages.ts'

/** Redeems the coupon, and writes down what the customer was told. */
export const handlers = {
  'coupon.presented': async ({ id, data }, { tx }) => {
    const told = await redeem(tx, data)
    await tx.query('INSERT INTO answer (message_id, code, customer, told) VALUES ($1, $2, $3, $4)', [
      id,
      data.code,
      data.customer,
      told,
    ])
  },
} satisfies Handlers<typeof messages, unknown>
