// A consumer in a process of its own whose handler ends the process at one message: fatalConsumer.mjs SETTINGS (JSON).
import { writeSync } from 'node:fs'
import { defineMessages } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { kafkajs } from '@oncebox/kafkajs'
import pg from 'pg'
import { z } from 'zod'

const { url, brokers, sessionTimeoutMs, group, topic, fatalId, how, attempts } = JSON.parse(process.argv[2])

const consumer = createConsumer({
  db: pgDatabase(new pg.Pool({ connectionString: url })),
  subscriber: kafkajs({ brokers, sessionTimeoutMs }),
  group,
  attempts,
  messages: defineMessages({
    deposited: { topic, schema: z.object({ account: z.string(), amount: z.number() }) },
  }),
  handlers: {
    deposited: async (message, { trx, attempt }) => {
      if (message.id === fatalId) {
        if (how === 'exit') process.exit(3)
        process.kill(process.pid, 'SIGKILL')
      }
      const { account, amount } = message.data
      await trx.query('INSERT INTO effect (message_id, account, amount, attempt) VALUES ($1, $2, $3, $4)', [
        message.id,
        account,
        amount,
        attempt,
      ])
    },
  },
})
await consumer.start()
writeSync(1, 'running\n')
