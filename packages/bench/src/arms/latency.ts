// Emits messages at a steady rate and consumes them: one process, so one clock for the commit and for the receipt.
// A latency is the time from the COMMIT's acknowledgement (or, sent directly, from the call of send) to the consumer's call.
import { setTimeout as sleep } from 'node:timers/promises'
import { fromPg } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import kafkajs from 'kafkajs'
import pg from 'pg'
import { measure } from '../armResult.js'
import { treeCpuUs } from '../processCpu.js'
import { quantile } from '../statistics.js'
import { payloadOf, topic, type } from '../workload.js'

const { WAY: way, RELAY_PID: relayPid } = process.env
const perSecond = Number(process.env.RATE)
const seconds = Number(process.env.SECONDS)
const warmSeconds = Math.max(1, Math.min(5, seconds / 2))
/** Above a thousand a second, messages share transactions (and sends), as they do where that many are written. */
const perTransaction = Math.max(1, Math.round(perSecond / 1_000))
const total = Math.round((seconds + warmSeconds) * perSecond)
const firstMeasured = Math.round(warmSeconds * perSecond)

const kafka = new kafkajs.Kafka({
  brokers: (process.env.KAFKA_BROKERS ?? '').split(','),
  logLevel: kafkajs.logLevel.NOTHING,
})
const written = new Float64Array(total)
const received = new Float64Array(total)
let receivedCount = 0
const connections = 6
const sequencePattern = /"seq":(\d+)/

const consumer = kafka.consumer({ groupId: `latency-${process.pid}`, maxWaitTimeInMs: 100, minBytes: 1 })
await consumer.connect()
await consumer.subscribe({ topics: [topic], fromBeginning: false })
const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()))
// Without autocommit, which would add a round trip to every batch.
await consumer.run({
  autoCommit: false,
  eachBatch: async ({ batch }) => {
    const at = performance.now()
    for (const { value } of batch.messages) {
      const sequence = Number(sequencePattern.exec(value?.toString('latin1') ?? '')?.[1])
      if (!(sequence < total) || received[sequence] !== 0) continue
      received[sequence] = at
      receivedCount++
    }
  },
})
await joined

type Write = (sequences: readonly number[]) => Promise<void>

async function throughOutbox(): Promise<Write> {
  const outbox = createOutbox({ source: 'bench' })
  // Whoever finds no connection free waits for one: a client takes one statement at a time. All are there before it begins.
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: connections })
  const clients = await Promise.all(Array.from({ length: connections }, () => pool.connect()))
  for (const client of clients) client.release()
  return async (sequences) => {
    const messages = sequences.map((n) => ({ topic, key: `k${n % 1_000}`, type, data: payloadOf(n) }))
    const client = await pool.connect()
    try {
      // A single statement is a transaction of its own: its answer is the answer of its COMMIT.
      await outbox.emitMany(fromPg(client), messages)
    } finally {
      client.release()
    }
    const at = performance.now()
    for (const sequence of sequences) written[sequence] = at
  }
}

async function directly(): Promise<Write> {
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await producer.connect()
  return async (sequences) => {
    const at = performance.now()
    for (const sequence of sequences) written[sequence] = at
    const messages = sequences.map((n) => ({ key: `k${n % 1_000}`, value: payloadOf(n) }))
    await producer.send({ topic, acks: -1, messages })
  }
}

const write = await (way === 'direct' ? directly() : throughOutbox())
await measure(async () => {
  const relayBefore = treeCpuUs(Number(relayPid))
  const start = performance.now()
  const pending: Promise<void>[] = []
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - start) * perSecond) / 1_000))
    while (sent < due) {
      const share = Math.min(perTransaction, total - sent)
      pending.push(write(Array.from({ length: share }, (_, n) => sent + n)))
      sent += share
    }
    await sleep(1)
  }
  await Promise.all(pending)
  const elapsed = (performance.now() - start) / 1_000
  const deadline = performance.now() + 10_000
  while (receivedCount < total && performance.now() < deadline) await sleep(20)
  const latencies: number[] = []
  for (let n = firstMeasured; n < total; n++) {
    if (received[n] !== 0) latencies.push(Math.max(0, (received[n] as number) - (written[n] as number)))
  }
  const relayUs = treeCpuUs(Number(relayPid)) - relayBefore
  const more = {
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    maxMs: quantile(latencies, 1),
    missing: total - receivedCount,
    ...(Number.isNaN(relayUs) ? {} : { relayCpuUs: relayUs / total }),
  }
  return { messages: total, seconds: elapsed, more }
})
process.exit(0)
