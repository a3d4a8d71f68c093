import { randomUUID } from 'node:crypto'
import { pgDatabase } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import type { Pool } from 'pg'
import { type OrderPlaced, orderMessages } from './orderContract.js'
import { accounts } from './tables.js'

export interface Placing {
  readonly pool: Pool
  readonly topic: string
  /** A number from 0 up to 1: which accounts, which amounts, which transactions roll back. */
  readonly random: () => number
  /** How many transactions at once. */
  readonly writers: number
  readonly transactions: number
  /** Told the ids of a transaction that is about to roll back. */
  readonly onRollback?: (ids: readonly string[]) => void
}

class ChangedMind extends Error {}

/**
 * Places orders of one to three accounts, each in one transaction with its messages; one transaction in eight rolls back
 * after it emitted. Rejects with the first error of the database.
 */
export async function placeOrders({ pool, topic, random, writers, transactions, onRollback }: Placing): Promise<void> {
  const outbox = createOutbox({ source: 'shop', messages: orderMessages(topic) })
  let begun = 0
  const write = async (): Promise<void> => {
    while (begun < transactions) {
      begun++
      const wanted = wantedOrders(random)
      const changesMind = random() < 0.125
      try {
        await pgDatabase(pool).transaction(async ({ tx }) => {
          const { rows } = await tx.query<OrderPlaced>(placing, [JSON.stringify(wanted)])
          for (const order of rows) await outbox.emit(tx, 'order.placed', order)
          if (changesMind) throw new ChangedMind()
        })
      } catch (error) {
        if (!(error instanceof ChangedMind)) throw error
        onRollback?.(wanted.map(({ id }) => id))
      }
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
}

function wantedOrders(random: () => number) {
  const chosen = new Set<number>()
  const count = 1 + Math.floor(random() * 3)
  while (chosen.size < count) chosen.add(1 + Math.floor(random() * accounts))
  return [...chosen].map((account) => ({ id: randomUUID(), account, amount: 1 + Math.floor(random() * 1_000) }))
}

/** Takes the accounts' rows in one order and draws each order's number from them: whoever holds the row is next. */
const placing = `
  with wanted as (
    select * from jsonb_to_recordset($1::text::jsonb) as wanted (id uuid, account int, amount int)
  ), held as (
    select id from account where id in (select account from wanted) order by id for update
  ), numbered as (
    update account set sequence = account.sequence + 1 from held where account.id = held.id
    returning account.id, account.sequence
  )
  insert into orders (id, account, sequence, amount)
  select wanted.id, wanted.account, numbered.sequence, wanted.amount
  from wanted join numbered on numbered.id = wanted.account
  returning id::text, account, sequence, amount`
