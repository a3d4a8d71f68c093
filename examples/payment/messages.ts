import { defineMessages } from '@oncebox/core'
import { z } from 'zod'

// The contract between whoever asks for payments and the payment service.

export const PaymentRequested = z.object({
  /** Of the payment: whoever asks again for the same one gives the same number. */
  serial: z.string(),
  account: z.string(),
  cents: z.int().positive(),
})

export type PaymentRequest = z.infer<typeof PaymentRequested>

export const messages = defineMessages({
  // Without a key: payments have no order among each other, so any worker takes any of them at any time.
  'payment.requested': { topic: 'payments', schema: PaymentRequested },
})

/** The consumer group of the payment service. */
export const group = 'payment-service'
