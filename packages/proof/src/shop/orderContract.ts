import { defineMessages } from '@oncebox/core'

/** What the shop tells billing. */
export interface OrderPlaced {
  readonly id: string
  readonly account: number
  readonly sequence: number
  readonly amount: number
}

const orderPlaced = {
  '~standard': {
    version: 1 as const,
    vendor: 'oncebox-proof',
    validate: (value: unknown) => ({ value: value as OrderPlaced }),
    types: undefined as { readonly input: OrderPlaced; readonly output: OrderPlaced } | undefined,
  },
}

/** The contract that shop and billing share; each run has a topic of its own. */
export function orderMessages(topic: string) {
  return defineMessages({
    'order.placed': { topic, schema: orderPlaced, key: (order) => `${order.account}` },
  })
}
