// A handler with one guard, or with none: messages from memory, four partitions side by side, each message its own row.
import { defineMessages, localIds, type Tx } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { businessKey, expression, increment, transition, upsert, versioned } from '@oncebox/guards'
import { createConsumer } from '@oncebox/inbox'
import { memoryTransport } from '@oncebox/transport/memory'
import pg from 'pg'
import { measure } from '../armResult.js'
import type { GuardArm } from '../guardArms.js'

const messages = Number(process.env.MESSAGES)
const batchMessages = Number(process.env.BATCH)
const partitions = 4
const topic = 'guarded'

async function insertPayment(tx: Tx, n: number): Promise<void> {
  await tx.query('INSERT INTO payment (serial, account, cents) VALUES ($1, $2, $3)', [`P-${n}`, 'A', 100])
}

const pay = async (tx: Tx, n: number): Promise<void> => {
  await businessKey(tx, { scope: 'payment', key: `P-${n}` }, async () => {
    await insertPayment(tx, n)
    return { status: 'paid' }
  })
}

const redeem = async (tx: Tx, n: number): Promise<void> => {
  await transition(tx, {
    table: 'coupon',
    id: { code: `C-${n}` },
    column: 'state',
    from: 'unused',
    to: 'redeemed',
    where: expression`valid_until > now()`,
    set: { redeemed_by: 'ann', redeemed_at: expression`now()` },
    returning: ['redeemed_by'],
  })
}

const deduct = async (tx: Tx, n: number): Promise<void> => {
  const where = expression`money >= ${1}`
  await versioned(tx, { table: 'account', id: `A-${n}`, version: 1, set: { money: increment(-1) }, where })
}

const view = async (tx: Tx, n: number): Promise<void> => {
  const update = { views: increment() }
  await upsert(tx, { table: 'views', key: { act_code: 'sale', user_id: n }, insert: { views: 1 }, update })
}

const work: Record<GuardArm, (tx: Tx, n: number) => Promise<void>> = {
  inboxId: insertPayment,
  async plainUpdate(tx, n) {
    await tx.query('UPDATE account SET money = money - 1 WHERE id = $1', [`A-${n}`])
  },
  businessKey: pay,
  businessKeyAgain: pay,
  transition: redeem,
  transitionAgain: redeem,
  versioned: deduct,
  versionedAgain: deduct,
  upsert: view,
  upsertAgain: view,
}

/** Takes what JSON says: validation is not what is measured. */
const numbered: { readonly '~standard': Standard } = {
  '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value: value as Data }) },
}

interface Data {
  readonly n: number
}

interface Standard {
  readonly version: 1
  readonly vendor: string
  readonly validate: (value: unknown) => { readonly value: Data }
  readonly types?: { readonly input: Data; readonly output: Data }
}

const transport = memoryTransport({ partitions })
const header = (name: string, value: string): [string, Uint8Array] => [name, Buffer.from(value)]
await transport.publisher().publish(
  Array.from({ length: messages }, (_, n) => ({
    topic,
    partition: n % partitions,
    key: null,
    value: Buffer.from(JSON.stringify({ n })),
    headers: [
      header('ce_id', localIds.next()),
      header('ce_type', 'numbered'),
      header('ce_source', 'bench'),
      header('ce_specversion', '1.0'),
      header('content-type', 'application/json'),
    ],
  })),
)

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 8 })
const guarded = work[process.env.GUARD as GuardArm]
let handled = 0
const all = Promise.withResolvers<void>()
const consumer = createConsumer({
  db: pgDatabase(pool),
  subscriber: transport.subscriber(),
  // A group of its own: it would go on where the one before it stopped.
  group: `guards-${process.pid}`,
  messages: defineMessages({ numbered: { topic, schema: numbered } }),
  batchMessages,
  handlers: { numbered: ({ data }, { tx }) => guarded(tx, data.n) },
  onEvent: (event) => {
    if (event.type === 'committed') handled += event.handled
    if (event.type === 'attemptFailed') all.reject(event.error)
    if (handled >= messages) all.resolve()
  },
})
await measure(async () => {
  await consumer.start()
  await all.promise
  return messages
})
await consumer.stop({ deadlineMs: 10_000 })
await pool.end()
process.exit(0)
