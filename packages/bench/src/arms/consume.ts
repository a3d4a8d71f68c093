// A topic is read from its beginning by a handler that does nothing. Rates count from the first batch to the last record:
// joining the group takes as long as it takes.
import { silentLogger } from '@oncebox/core'
import { kafka } from '@oncebox/kafka'
import { kafkajs } from '@oncebox/kafkajs'
import client from 'kafkajs'
import { measure, type Work } from '../armResult.js'
import { topic } from '../workload.js'

const messages = Number(process.env.MESSAGES)
const maxRecords = Number(process.env.BATCH)
const brokers = (process.env.KAFKA_BROKERS ?? '').split(',')
const group = `consume-${process.pid}`
const all = Promise.withResolvers<void>()
let received = 0
let firstBatch = 0
let firstAt = 0
let lastAt = 0

function take(count: number): void {
  received += count
  lastAt = performance.now()
  if (firstAt === 0) {
    firstAt = lastAt
    firstBatch = count
  }
  if (received >= messages) all.resolve()
}

/** Through a transport of ours, as a consumer does. */
async function subscribe(transport: ReturnType<typeof kafka> | ReturnType<typeof kafkajs>): Promise<void> {
  await transport.subscribe(
    { group, topics: [topic], maxRecords, maxBytes: 8 << 20, logger: silentLogger },
    {
      assigned: async () => new Map(),
      revoked: async () => {},
      async batch({ records }) {
        take(records.length)
        return { done: records.length }
      },
    },
  )
}

/** The limit of the client library. */
async function eachBatch(): Promise<void> {
  const consumer = new client.Kafka({ brokers, logLevel: client.logLevel.NOTHING }).consumer({
    groupId: group,
    maxBytesPerPartition: 1 << 20,
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({ autoCommit: false, eachBatch: async ({ batch }) => take(batch.messages.length) })
}

await measure(async (): Promise<Work> => {
  if (process.env.WAY === 'eachBatch') await eachBatch()
  else await subscribe(process.env.WAY === 'kafkajs' ? kafkajs({ brokers }) : kafka({ brokers }))
  await all.promise
  // All at once: there is nothing to take a rate of but the whole.
  const seconds = received > firstBatch ? (lastAt - firstAt) / 1_000 / (1 - firstBatch / received) : undefined
  return { messages: received, ...(seconds === undefined ? {} : { seconds }) }
})
process.exit(0)
