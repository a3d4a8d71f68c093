import { defineMessages } from '@oncebox/core'

/** What the order service tells the billing service. */
export interface OrderPlaced {
  readonly id: string
  readonly account: number
  readonly sequence: number
  readonly amount: number
}

/** A validator by hand: any library with the standard-schema interface (zod, valibot, …) stands here in real services. */
const orderPlaced = {
  '~standard': {
    version: 1 as const,
    vendor: 'oncebox-demo',
    validate: (value: unknown) =>
      isOrderPlaced(value) ? { value } : { issues: [{ message: 'is not a placed order', path: [] }] },
    types: undefined as { readonly input: OrderPlaced; readonly output: OrderPlaced } | undefined,
  },
}

/** The contract that both services share. The topic differs by run, since a Kafka that is there already keeps old ones. */
export function orderMessages(topic: string) {
  return defineMessages({
    'order.placed': { topic, schema: orderPlaced, key: (order) => `account-${order.account}` },
  })
}

function isOrderPlaced(value: unknown): value is OrderPlaced {
  if (typeof value !== 'object' || value === null) return false
  const { id, account, sequence, amount } = value as Record<string, unknown>
  return typeof id === 'string' && [account, sequence, amount].every((number) => Number.isSafeInteger(number))
}
