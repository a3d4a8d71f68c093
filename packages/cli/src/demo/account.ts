/** An order as the producer's business table has it: what was committed, and when in the life of its account. */
export interface OrderRow {
  readonly id: string
  readonly account: number
  /** 1, 2, 3… in the order in which the writers held the account's row. */
  readonly sequence: number
  readonly amount: number
}

/** An entry of the billing service's ledger, one each time the effect of a message was applied. */
export type LedgerRow = Pick<OrderRow, 'account' | 'sequence' | 'amount'> & { readonly order: string }

/** Everything the account is computed from: business tables, the log of deliveries, counts of the transport. */
export interface Evidence {
  readonly orders: readonly OrderRow[]
  /** In the order in which the entries were applied. */
  readonly ledger: readonly LedgerRow[]
  /** The billing service's running totals. */
  readonly balances: ReadonlyMap<number, number>
  /** The order id of every delivery, as logged before its transaction began. */
  readonly deliveries: readonly string[]
  /** Records at the transport. */
  readonly published: number
  readonly relayKills: number
  readonly consumerKills: number
  readonly seconds: number
}

/** What the demo answers with `--json` (contract). */
export interface Account {
  /** Committed by producers. */
  readonly emitted: number
  /** Records at the transport, those sent twice included. */
  readonly published: number
  /** Deliveries to the consumer, those that came again included. */
  readonly received: number
  /** Orders whose effect is in the business tables. */
  readonly applied: number
  readonly duplicatesReceived: number
  /** Effects beyond the first of an order, and accounts whose balance is not the sum of their ledger entries. */
  readonly duplicatesApplied: number
  /** Orders without an effect. */
  readonly lost: number
  /** Effects applied after a later one of the same account. */
  readonly orderViolations: number
  /** Delivered or applied orders that no committed transaction wrote. */
  readonly phantom: number
  readonly relayKills: number
  readonly consumerKills: number
  readonly seconds: number
}

/** Settles the account. Pure: neither inbox nor outbox has a say in it. */
export function settle(evidence: Evidence): Account {
  const { orders, ledger, deliveries } = evidence
  const committed = new Set(orders.map((order) => order.id))
  const applied = new Set(ledger.map((entry) => entry.order))
  const delivered = new Set(deliveries)
  const strangers = new Set([...applied, ...delivered].filter((order) => !committed.has(order)))
  const appliedOrders = orders.filter((order) => applied.has(order.id)).length
  return {
    emitted: orders.length,
    published: evidence.published,
    received: deliveries.length,
    applied: appliedOrders,
    duplicatesReceived: deliveries.length - delivered.size,
    duplicatesApplied: ledger.length - applied.size + wrongBalances(ledger, evidence.balances),
    lost: orders.length - appliedOrders,
    orderViolations: outOfOrder(ledger),
    phantom: strangers.size,
    relayKills: evidence.relayKills,
    consumerKills: evidence.consumerKills,
    seconds: Math.round(evidence.seconds * 10) / 10,
  }
}

/** True when nothing is lost, applied twice, out of order or from nowhere. */
export function isSound(account: Account): boolean {
  return account.lost + account.duplicatesApplied + account.orderViolations + account.phantom === 0
}

function wrongBalances(ledger: readonly LedgerRow[], balances: ReadonlyMap<number, number>): number {
  const sums = new Map<number, number>()
  for (const { account, amount } of ledger) sums.set(account, (sums.get(account) ?? 0) + amount)
  const accounts = new Set([...sums.keys(), ...balances.keys()])
  return [...accounts].filter((account) => (sums.get(account) ?? 0) !== (balances.get(account) ?? 0)).length
}

/** Counts first effects of an order that come after the effect of a later order of the account. */
function outOfOrder(ledger: readonly LedgerRow[]): number {
  const latest = new Map<number, number>()
  const seen = new Set<string>()
  let violations = 0
  for (const { order, account, sequence } of ledger) {
    if (seen.has(order)) continue
    seen.add(order)
    const before = latest.get(account) ?? 0
    if (sequence < before) violations++
    else latest.set(account, sequence)
  }
  return violations
}
