import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Tx } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import pg from 'pg'
import { type OrderPlaced, orderMessages } from '../orderContract.js'
import { between, type Random, seededRandom } from '../random.js'
import { reporter, setupOfProcess } from '../serviceSetup.js'
import { accounts } from '../tables.js'

// The order service: several writers place orders, each order and its message in one transaction. Now and then a
// transaction rolls back after it emitted: that order and that message never were.

const writers = 4
/** A quarter of the orders meet on these, where writers wait for each other's row locks. */
const busyAccounts = 8

const setup = setupOfProcess()
const pool = new pg.Pool({ connectionString: setup.shopUrl, max: writers })
pool.on('error', () => undefined)
const outbox = createOutbox({ source: 'order-service', messages: orderMessages(setup.topic) })

let begun = 0
let committed = 0
let rolledBack = 0
const report = reporter(() => ({ count: committed, mishaps: rolledBack }))
const start = performance.now()
const perMs = setup.messages / (setup.placeWithinSeconds * 1_000)

/** Thrown to roll a transaction back on purpose. */
class ChangedMind extends Error {}

async function write(random: Random): Promise<void> {
  while (begun < setup.messages) {
    const count = Math.min(between(random, 1, 6), setup.messages - begun)
    begun += count
    const early = begun / perMs - (performance.now() - start)
    if (early > 1) await sleep(early)
    while (!(await placed(random, count)));
  }
}

/** Places orders for as many accounts, all or none. False when the transaction rolled back. */
async function placed(random: Random, count: number): Promise<boolean> {
  const chosen = new Set<number>()
  while (chosen.size < count) {
    chosen.add(random() < 0.25 ? between(random, 1, busyAccounts) : between(random, 1, accounts))
  }
  const wanted = [...chosen].map((account) => ({ id: randomUUID(), account, amount: between(random, 1, 10_000) }))
  const changesMind = random() < setup.rollbackShare
  try {
    await pgDatabase(pool).transaction(async ({ tx }) => {
      const orders = await placeOrders(tx, wanted)
      await outbox.emitMany(
        tx,
        orders.map((data) => ({ type: 'order.placed', data })),
      )
      if (changesMind) throw new ChangedMind()
    })
    committed += count
    return true
  } catch (error) {
    if (!(error instanceof ChangedMind)) throw error
    rolledBack++
    return false
  }
}

/**
 * Takes the accounts' rows, in one order so that writers cannot wait for each other in a circle, and draws each order's
 * number from them: whoever holds the row is next.
 */
async function placeOrders(
  tx: Tx,
  wanted: readonly Pick<OrderPlaced, 'id' | 'account' | 'amount'>[],
): Promise<OrderPlaced[]> {
  const { rows } = await tx.query<OrderPlaced>(
    `with wanted as (
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
     returning id::text, account, sequence, amount`,
    [JSON.stringify(wanted)],
  )
  return rows
}

report.ready()
await Promise.all(Array.from({ length: writers }, (_, writer) => write(seededRandom(setup.seed * 31 + writer))))
report.done()
await pool.end()
