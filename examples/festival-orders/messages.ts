import { defineMessages } from '@oncebox/core'
import { z } from 'zod'

export const OrderPlaced = z.object({ id: z.uuid(), user: z.int(), event: z.string() })
export type Order = z.infer<typeof OrderPlaced>

export const messages = defineMessages({
  'order.placed': { topic: 'orders', schema: OrderPlaced, key: (order) => order.id },
})
