import { defineMessages } from '@oncebox/core'
import { z } from 'zod'

export const OrderPaid = z.object({ order: z.string(), customer: z.string(), cents: z.int().positive() })
export type OrderPaid = z.infer<typeof OrderPaid>

export const messages = defineMessages({
  'order.paid': { topic: 'orders', schema: OrderPaid, key: ({ order }) => order },
})
