// pg-transactional-outbox's polling listener with one general handler that publishes through kafkajs. Tuned: batches of
// 500, a poll every 50 ms, 20 connections, the protections off as in its README, and no warm-up of the batch size (its
// default hands out one message a poll at first). Started with `setup`, it prints the SQL of its tables and ends.
import kafkajs from 'kafkajs'
import outbox from 'pg-transactional-outbox'

const { hostname: host, port, username: user, pathname } = new URL(process.env.DATABASE_URL)
const database = pathname.slice(1)
const table = 'outbox_pto'
const nextMessages = 'next_outbox_messages'

if (process.argv[2] === 'setup') {
  const config = {
    outboxOrInbox: 'outbox',
    database,
    schema: 'public',
    table,
    listenerRole: user,
    nextMessagesName: nextMessages,
  }
  const { dropAndCreateTable, createPollingFunction, setupPollingIndexes } = outbox.DatabaseSetup
  process.stdout.write(dropAndCreateTable(config) + createPollingFunction(config) + setupPollingIndexes(config))
  process.exit(0)
}

const batch = 500
const kafka = new kafkajs.Kafka({ brokers: process.env.KAFKA_BROKERS.split(','), logLevel: kafkajs.logLevel.ERROR })
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
await producer.connect()
const connection = { host, port: Number(port), user, database, max: 20 }
const [shutdown] = outbox.initializePollingMessageListener(
  {
    outboxOrInbox: 'outbox',
    dbListenerConfig: connection,
    dbHandlerConfig: connection,
    settings: {
      dbSchema: 'public',
      dbTable: table,
      nextMessagesFunctionName: nextMessages,
      enableMaxAttemptsProtection: false,
      enablePoisonousMessageProtection: false,
      nextMessagesBatchSize: batch,
      nextMessagesPollingIntervalInMs: 50,
    },
  },
  {
    handle: async ({ id, messageType, aggregateId, payload }) => {
      const headers = { id, type: messageType }
      const messages = [{ key: aggregateId, value: JSON.stringify(payload), headers }]
      await producer.send({ topic: process.env.TOPIC, acks: -1, messages })
    },
  },
  outbox.getDisabledLogger(),
  { batchSizeStrategy: async () => batch },
)
process.on('SIGTERM', async () => {
  setTimeout(() => process.exit(0), 3_000).unref()
  await shutdown().catch(() => undefined)
  await producer.disconnect()
  process.exit(0)
})
