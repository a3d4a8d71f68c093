import type { Tx } from '@oncebox/core'
import type { LedgerRow, OrderRow } from './account.js'

/** How many accounts the orders are spread over: few enough that writers and consumers meet on one. */
export const accounts = 400

/** The order service's tables. Its outbox stands beside them. */
export async function createShopTables(tx: Tx): Promise<void> {
  await tx.query(`create table account (id int primary key, sequence int not null default 0)`)
  await tx.query(`insert into account (id) select * from generate_series(1, ${accounts})`)
  await tx.query(
    `create table orders (id uuid primary key, account int not null, sequence int not null, amount int not null)`,
  )
}

/**
 * The billing service's tables. Nothing in them would refuse a second effect of the same order: whatever keeps it out
 * is not here.
 */
export async function createBillingTables(tx: Tx): Promise<void> {
  await tx.query(`create table ledger (
    entry bigint generated always as identity primary key,
    order_id uuid not null, account int not null, sequence int not null, amount int not null)`)
  await tx.query(`create table balance (account int primary key, total bigint not null)`)
}

export async function readOrders(tx: Tx): Promise<OrderRow[]> {
  const { rows } = await tx.query<OrderRow>('select id::text, account, sequence, amount from orders')
  return rows
}

export async function readLedger(tx: Tx): Promise<LedgerRow[]> {
  const { rows } = await tx.query<LedgerRow>(
    'select order_id::text as order, account, sequence, amount from ledger order by entry',
  )
  return rows
}

export async function readBalances(tx: Tx): Promise<Map<number, number>> {
  const { rows } = await tx.query<{ account: number; total: string }>('select account, total::text from balance')
  return new Map(rows.map(({ account, total }) => [account, Number(total)]))
}
