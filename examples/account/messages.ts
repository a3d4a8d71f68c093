import { defineMessages } from '@oncebox/core'
import { z } from 'zod'

// The contract between whoever takes money out and the account service.

/** Take the money out, whatever else has happened to the account meanwhile. */
export const WithdrawalRequested = z.object({ account: z.string(), cents: z.int().positive() })

/** Somebody has seen the account as it was at this version, and decided on what they saw. */
export const DeductionConfirmed = WithdrawalRequested.extend({ version: z.int() })

export type Withdrawal = z.infer<typeof WithdrawalRequested>
export type Deduction = z.infer<typeof DeductionConfirmed>

export const messages = defineMessages({
  // Without a key, so that the messages of an account race. With the account as the key they would come one by one.
  'withdrawal.requested': { topic: 'accounts', schema: WithdrawalRequested },
  'deduction.confirmed': { topic: 'accounts', schema: DeductionConfirmed },
})

/** The consumer group of the account service. */
export const group = 'account-service'
