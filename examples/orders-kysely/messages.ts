import { defineMessages } from '@oncebox/core'
import { z } from 'zod'

// The contract between services: a plain module that producer and consumers share.

export const OrderPlaced = z.object({
  id: z.uuid(),
  customer: z.string(),
  cents: z.int().positive(),
})

export const OrderPaid = z.object({
  id: z.uuid(),
  paidCents: z.int(),
})

export const messages = defineMessages({
  'order.placed': { topic: 'orders', schema: OrderPlaced, key: (order) => order.id },
  'order.paid': { topic: 'orders', schema: OrderPaid, key: (order) => order.id },
})
