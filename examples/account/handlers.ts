import type { Tx } from '@oncebox/core'
import type { Handlers } from '@oncebox/inbox'
import { deduct, type Outcome, withdraw } from './accounts.ts'
import type { messages, Withdrawal } from './messages.ts'

/** Takes the money out, and writes down what became of it. */
export const handlers = {
  'withdrawal.requested': async ({ id, data }, { tx }) => note(tx, id, data, await withdraw(tx, data)),
  'deduction.confirmed': async ({ id, data }, { tx }) => note(tx, id, data, await deduct(tx, data)),
} satisfies Handlers<typeof messages, unknown>

async function note(tx: Tx, id: string, { account, cents }: Withdrawal, outcome: Outcome): Promise<void> {
  const row = [id, account, cents, outcome]
  await tx.query('INSERT INTO answer (message_id, account, cents, outcome) VALUES ($1, $2, $3, $4)', row)
}
