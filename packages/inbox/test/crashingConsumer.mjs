// A consumer in a process of its own, which kills itself at a named point: crashingConsumer.mjs SETTINGS (JSON).
// It says "running" once it has started and "crashing" right before the SIGKILL.
import { writeSync } from 'node:fs'
import { defineMessages } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { kafkajs } from '@oncebox/kafkajs'
import pg from 'pg'
import { z } from 'zod'

const { url, brokers, sessionTimeoutMs, group, topic, crashAt, afterMessages } = JSON.parse(process.argv[2])

const pool = new pg.Pool({ connectionString: url })
const db = pgDatabase(pool)
let messagesSeen = 0

function crashIf(point) {
  if (crashAt !== point || messagesSeen < afterMessages) return
  writeSync(1, 'crashing\n')
  process.kill(process.pid, 'SIGKILL')
}

const consumer = createConsumer({
  db: {
    ...db,
    async transaction(work) {
      const result = await db.transaction(work)
      crashIf('afterCommit')
      return result
    },
  },
  subscriber: kafkajs({ brokers, sessionTimeoutMs }),
  group,
  messages: defineMessages({
    deposited: { topic, schema: z.object({ account: z.string(), amount: z.number() }) },
  }),
  handlers: {
    deposited: async (message, { trx, attempt }) => {
      messagesSeen++
      crashIf('afterIds')
      const { account, amount } = message.data
      await trx.query('INSERT INTO effect (message_id, account, amount, attempt) VALUES ($1, $2, $3, $4)', [
        message.id,
        account,
        amount,
        attempt,
      ])
      crashIf('afterEffect')
    },
  },
})
await consumer.start()
writeSync(1, 'running\n')
