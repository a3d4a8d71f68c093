import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Evidence, isSound, type LedgerRow, type OrderRow, settle } from '../../dist/demo/account.js'

/** Evidence of a run in which every order was billed once and in order, and every delivery came once. */
function soundEvidence(orders: readonly OrderRow[]): Evidence & { ledger: LedgerRow[]; balances: Map<number, number> } {
  const ledger = orders.map(({ id, account, sequence, amount }) => ({ order: id, account, sequence, amount }))
  const balances = new Map<number, number>()
  for (const { account, amount } of ledger) balances.set(account, (balances.get(account) ?? 0) + amount)
  const deliveries = orders.map((order) => order.id)
  return { orders, ledger, balances, deliveries, published: orders.length, relayKills: 3, consumerKills: 3, seconds: 1 }
}

const orders: OrderRow[] = Array.from({ length: 40 }, (_, n) => ({
  id: `order-${n}`,
  account: n % 4,
  sequence: Math.floor(n / 4) + 1,
  amount: 10 + n,
}))

describe('the account', () => {
  test('balances when every order was billed once and in order', () => {
    const account = settle(soundEvidence(orders))
    expect(isSound(account)).toBe(true)
    expect(account).toEqual({
      emitted: 40,
      published: 40,
      received: 40,
      applied: 40,
      duplicatesReceived: 0,
      duplicatesApplied: 0,
      lost: 0,
      orderViolations: 0,
      phantom: 0,
      relayKills: 3,
      consumerKills: 3,
      seconds: 1,
    })
  })

  test('counts deliveries that came again, and still balances', () => {
    const evidence = soundEvidence(orders)
    const account = settle({ ...evidence, deliveries: [...evidence.deliveries, 'order-1', 'order-1', 'order-2'] })
    expect(account).toMatchObject({ received: 43, duplicatesReceived: 3, duplicatesApplied: 0 })
    expect(isSound(account)).toBe(true)
  })

  test('sees an effect that happened again', () => {
    const evidence = soundEvidence(orders)
    const again = evidence.ledger[7] as LedgerRow
    evidence.ledger.push(again)
    evidence.balances.set(again.account, (evidence.balances.get(again.account) ?? 0) + again.amount)
    const account = settle(evidence)
    expect(account).toMatchObject({ applied: 40, duplicatesApplied: 1, orderViolations: 0 })
    expect(isSound(account)).toBe(false)
  })

  test('sees a balance that was raised again although the ledger was not', () => {
    const evidence = soundEvidence(orders)
    evidence.balances.set(2, (evidence.balances.get(2) ?? 0) + 1)
    expect(settle(evidence)).toMatchObject({ duplicatesApplied: 1 })
  })

  test('sees an order that was never billed', () => {
    const { ledger } = soundEvidence(orders)
    const account = settle({ ...soundEvidence(orders), ledger: ledger.filter((entry) => entry.order !== 'order-5') })
    expect(account).toMatchObject({ lost: 1, applied: 39, orderViolations: 0 })
    expect(isSound(account)).toBe(false)
  })

  test('sees a message of a transaction that rolled back, delivered or billed', () => {
    const evidence = soundEvidence(orders)
    const delivered = settle({ ...evidence, deliveries: [...evidence.deliveries, 'order-99'] })
    expect(delivered).toMatchObject({ phantom: 1, applied: 40 })
    const billed = settle({
      ...evidence,
      ledger: [...evidence.ledger, { order: 'order-99', account: 9, sequence: 1, amount: 0 }],
    })
    expect(billed).toMatchObject({ phantom: 1, applied: 40, lost: 0 })
    expect([delivered, billed].map(isSound)).toEqual([false, false])
  })

  test('sees effects in another order than that of the writers, whatever stands between them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 8 }), (which, at) => {
        const evidence = soundEvidence(orders)
        const own = evidence.ledger.filter((entry) => entry.account === which)
        const [first, second] = [own[at] as LedgerRow, own[at + 1] as LedgerRow]
        const swapped = evidence.ledger.map((entry) => (entry === first ? second : entry === second ? first : entry))
        const account = settle({ ...evidence, ledger: swapped })
        expect(account).toMatchObject({ orderViolations: 1, lost: 0, duplicatesApplied: 0 })
      }),
    )
  })
})
