import { readFile } from 'node:fs/promises'
import type { History, PublishedRecord } from '@oncebox/testkit'
import type { Pool } from 'pg'

export interface ShopHistoryParts {
  readonly pool: Pool
  readonly topic: string
  readonly group: string
  readonly deliveryLog: string
  readonly records: readonly PublishedRecord[]
  readonly rolledBack: readonly string[]
}

/**
 * The history of a run as business tables, the transport and the log of deliveries tell it; neither inbox nor outbox has
 * a say in it. Messages are called by their orders' ids.
 */
export async function shopHistory(parts: ShopHistoryParts): Promise<Omit<History, 'settled' | 'faults'>> {
  const { pool, topic, group, deliveryLog, records, rolledBack } = parts
  const orders = await pool.query<{ id: string; account: number; sequence: number; amount: number }>(
    'select id::text, account, sequence, amount from orders',
  )
  const ledger = await pool.query<{ order: string; account: number; amount: number }>(
    'select order_id::text as order, account, amount from ledger order by entry',
  )
  const balances = await pool.query<{ account: number; total: number }>('select account, total::float8 from balance')
  const log = await readFile(deliveryLog, 'utf8')
  return {
    emits: orders.rows.map(({ id, account, sequence, amount }) => {
      return { id, topic, key: `${account}`, turn: sequence, amount }
    }),
    rolledBack,
    records,
    groups: [
      {
        name: group,
        deliveries: log.split('\n').slice(0, -1),
        effects: ledger.rows.map(({ order, account, amount }) => ({ id: order, key: `${account}`, amount })),
        totals: new Map(balances.rows.map(({ account, total }) => [`${account}`, total])),
      },
    ],
  }
}

/** Committed orders without a booking; of `among`, if it is given. */
export async function unbooked(pool: Pool, among: readonly string[] | null = null): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `select id::text from orders where ($1::uuid[] is null or id = any ($1))
       and not exists (select from ledger where order_id = orders.id)`,
    [among],
  )
  return rows.map(({ id }) => id)
}
