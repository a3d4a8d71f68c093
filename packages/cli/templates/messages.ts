// What producers and consumers agree on: import it in both. Any validator with a standard schema will do (zod here).
import { defineMessages } from 'oncebox'
import { z } from 'zod'

export const messages = defineMessages({
  'order.created': {
    topic: 'orders',
    schema: z.object({ id: z.string(), cents: z.number() }),
    // Messages of one key arrive in order.
    key: (order) => order.id,
  },
})
