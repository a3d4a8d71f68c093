// The limit of the client library: `send` of 1,000 records a call, acks=all, records ready in memory.
import kafkajs from 'kafkajs'
import { measure } from '../armResult.js'
import { constantHeaders, records, topic } from '../workload.js'

const messages = Number(process.env.MESSAGES)
const perCall = 1_000
const kafka = new kafkajs.Kafka({
  brokers: (process.env.KAFKA_BROKERS ?? '').split(','),
  logLevel: kafkajs.logLevel.ERROR,
})
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
await producer.connect()
const ready = records(Math.min(messages, 20 * perCall))
await measure(async () => {
  for (let sent = 0; sent < messages; sent += perCall) {
    const from = sent % ready.length
    await producer.send({
      topic,
      acks: -1,
      messages: ready.slice(from, from + Math.min(perCall, messages - sent)).map(({ key, value, id, time }) => ({
        key,
        value,
        headers: { ...Object.fromEntries(constantHeaders), ce_id: id, ce_time: time },
      })),
    })
  }
  return messages
})
await producer.disconnect()
process.exit(0)
