// The limit of sending: the own encoder and publisher alone, the same records ready in memory, acks=all, idempotent.
import { partitionOf } from '@oncebox/core'
import { kafka } from '@oncebox/kafka'
import type { RecordSink } from '@oncebox/transport'
import { measure } from '../armResult.js'
import { constantHeaders, partitions, records, topic } from '../workload.js'

const messages = Number(process.env.MESSAGES)
const perCall = 5_000
const publisher = kafka({ brokers: (process.env.KAFKA_BROKERS ?? '').split(',') })
await publisher.connect()
const ready = records(Math.min(messages, 4 * perCall)).map(({ key, value, id, time }) => ({
  topic,
  partition: partitionOf(key, partitions),
  key,
  value,
  headers: [],
  writeTo(sink: RecordSink) {
    sink.part(key, 0, key.length)
    sink.part(value, 0, value.length)
    sink.headerCount(constantHeaders.length + 2)
    sink.constantHeaders(constantHeaders)
    sink.textHeader('ce_id', id)
    sink.textHeader('ce_time', time)
  },
}))
await measure(async () => {
  for (let sent = 0; sent < messages; sent += perCall) {
    const from = sent % ready.length
    const outcomes = await publisher.publish(ready.slice(from, from + Math.min(perCall, messages - sent)))
    if (outcomes.some((outcome) => outcome.status !== 'acked')) throw new Error('a record was not acked')
  }
  return messages
})
await publisher.close()
process.exit(0)
