import type { Tx } from '@oncebox/core'
import { type BusinessKeyResult, businessKey } from '@oncebox/guards'
import type { PaymentRequest } from './messages.ts'

/** What a payment came to. "Declined" is an answer and no failure: it is returned, and so recorded like the other. */
export type PaymentResult =
  | { readonly status: 'paid'; readonly number: string }
  | { readonly status: 'declined'; readonly number: null }

const mostCents = 1_000_000

/**
 * Pays once for a serial number. Whoever asks again waits until the first one's transaction has ended: if it committed,
 * they get its result; if it was rolled back, or its process died, they make the payment.
 */
export function pay(tx: Tx, request: PaymentRequest): Promise<BusinessKeyResult<PaymentResult>> {
  const { serial, account, cents } = request
  return businessKey(tx, { scope: 'payment', key: serial }, async (): Promise<PaymentResult> => {
    if (cents > mostCents) return { status: 'declined', number: null }
    const number = await insertPayment(tx, { serial, account, cents })
    return { status: 'paid', number }
  })
}

/** The row itself. Who calls this without the guard meets the unique index, and fails. */
export async function insertPayment(tx: Tx, { serial, account, cents }: PaymentRequest): Promise<string> {
  const { rows } = await tx.query<{ number: string }>(
    'INSERT INTO payment (serial, account, cents) VALUES ($1, $2, $3) RETURNING number::text',
    [serial, account, cents],
  )
  return String(rows[0]?.number)
}
