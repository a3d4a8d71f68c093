import type { Tx } from '@oncebox/core'
import { expression, increment, versioned } from '@oncebox/guards'
import type { Deduction, Withdrawal } from './messages.ts'

export type Outcome = 'done' | 'outdated' | 'not enough money' | 'no such account'

/**
 * Deducts from the account as somebody has seen it: once for a version, and never below zero. "Outdated" means that the
 * account has changed since, by this very deduction or by another one.
 */
export async function deduct(tx: Tx, { account, version, cents }: Deduction): Promise<Outcome> {
  const result = await versioned(tx, {
    table: 'account',
    id: account,
    version,
    set: { money: increment(-cents) },
    where: expression`money >= ${cents}`,
  })
  switch (result.outcome) {
    case 'applied':
      return 'done'
    case 'stale':
      return 'outdated'
    case 'refused':
      return result.reason === 'missing' ? 'no such account' : 'not enough money'
  }
}

/**
 * Deducts from the account as it is now: reads its version, and begins again when somebody was faster. Each round that
 * is lost is another caller's deduction that was made, so this ends. Not protected by the version but by the message's id.
 */
export async function withdraw(tx: Tx, { account, cents }: Withdrawal): Promise<Outcome> {
  for (;;) {
    const { rows } = await tx.query<{ version: number }>('SELECT version FROM account WHERE id = $1', [account])
    const [seen] = rows
    if (seen === undefined) return 'no such account'
    const outcome = await deduct(tx, { account, cents, version: seen.version })
    if (outcome !== 'outdated') return outcome
  }
}
