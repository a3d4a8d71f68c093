import type { Tx } from '@oncebox/core'

/** Accounts 1 to so many are written at random: few enough that writers meet on one. Account 0 is for what is arranged. */
export const accounts = 12

/**
 * The business tables of shop and billing. Nothing in them would refuse a second effect of the same order: whatever keeps
 * it out is not here.
 */
export async function createShopTables(tx: Tx): Promise<void> {
  await tx.query('create table account (id int primary key, sequence int not null default 0)')
  await tx.query(`insert into account (id) select * from generate_series(0, ${accounts})`)
  await tx.query(
    'create table orders (id uuid primary key, account int not null, sequence int not null, amount int not null)',
  )
  await tx.query(`create table ledger (
    entry bigint generated always as identity primary key,
    order_id uuid not null, account int not null, amount int not null)`)
  await tx.query('create index on ledger (order_id)')
  await tx.query('create table balance (account int primary key, total bigint not null)')
}
