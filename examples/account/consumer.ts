// The account service, seventeen workers in a process: `node consumer.ts postgres://…`. Runs until SIGTERM.
import type { Tx } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { pgBoss } from '@oncebox/pg-boss'
import pg from 'pg'
import { deduct, type Outcome, withdraw } from './accounts.ts'
import { group, messages, type Withdrawal } from './messages.ts'

const workers = 17
const [connectionString = ''] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString, max: workers + 2, application_name: group })
const subscriber = pgBoss({ connectionString, topics: { accounts: [group] }, heartbeatSeconds: 2 })

async function note(tx: Tx, id: string, { account, cents }: Withdrawal, outcome: Outcome): Promise<void> {
  const row = [id, account, cents, outcome]
  await tx.query('INSERT INTO answer (message_id, account, cents, outcome) VALUES ($1, $2, $3, $4)', row)
}

const consumers = Array.from({ length: workers }, () =>
  createConsumer({
    db: pgDatabase(pool),
    subscriber,
    group,
    messages,
    handlers: {
      'withdrawal.requested': async ({ id, data }, { tx }) => note(tx, id, data, await withdraw(tx, data)),
      'deduction.confirmed': async ({ id, data }, { tx }) => note(tx, id, data, await deduct(tx, data)),
    },
    // A transaction a message, so that as many messages as there are workers are under way at a time.
    batchMessages: 1,
    // This day is rough: a message whose process is killed again and again has done nothing wrong.
    attempts: 100,
    // pg-boss keeps what waits for ever; nothing here grows older than the inbox's memory.
    allowLongerRetention: true,
  }),
)
await Promise.all(consumers.map((consumer) => consumer.start()))
console.log('deducting')

process.once('SIGTERM', async () => {
  await Promise.all(consumers.map((consumer) => consumer.stop({ deadlineMs: 10_000 })))
  await subscriber.close()
  await pool.end()
})
