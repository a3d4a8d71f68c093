import type { Tx } from '@oncebox/core'
import { expression, increment, transition } from '@oncebox/guards'
import type { Presented } from './messages.ts'

/**
 * Redeems a coupon if it is unused and valid, and answers what the customer is told. Of several who present it at the
 * same time one gets it; "already used" and "not allowed" are different answers.
 */
export async function redeem(tx: Tx, { code, customer }: Presented): Promise<string> {
  const result = await transition(tx, {
    table: 'coupon',
    id: { code },
    column: 'state',
    from: 'unused',
    to: 'redeemed',
    where: expression`valid_until > now()`,
    set: { redeemed_by: customer, redeemed_at: expression`now()`, uses: increment() },
    returning: ['redeemed_by'],
  })
  switch (result.outcome) {
    case 'applied':
      return 'redeemed'
    case 'already':
      return result.row.redeemed_by === customer ? 'you have redeemed it' : 'somebody else has redeemed it'
    case 'refused':
      if (result.reason === 'missing') return 'there is no such coupon'
      return result.reason === 'condition' ? 'it has expired' : `it is ${result.state}`
  }
}
