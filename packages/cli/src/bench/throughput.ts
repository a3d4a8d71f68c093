import { OnceboxError, partitionOf } from '@oncebox/core'
import { createRelay } from '@oncebox/relay'
import { unlessAborted } from '../command/stopSignal.js'
import { type BenchRoom, benchPartitions } from './room.js'
import { messageOf } from './workload.js'

export interface Throughput {
  /** Messages a second. */
  readonly perSecond: number
  /** User and system time of this process, in microseconds a message. */
  readonly cpuUsPerMessage: number
}

/** The relay drains what waits. */
export async function measureDrain({ pool, transport, schema, signal }: BenchRoom): Promise<Throughput> {
  const relay = createRelay({ pool, publisher: transport, schema })
  try {
    await relay.start()
    return await timed(async () => {
      const drained = await unlessAborted(signal, relay.drain())
      signal.throwIfAborted()
      return drained?.published ?? 0
    })
  } finally {
    await relay.stop()
  }
}

/** The limit of reading: the same rows as arrays, in pages, and nothing done with them. */
export async function measureRead({ pool, quotedSchema, signal }: BenchRoom): Promise<Throughput> {
  const client = await pool.connect()
  try {
    return await timed(async () => {
      let position = '0'
      let messages = 0
      for (;;) {
        signal.throwIfAborted()
        const { rows } = await client.query<unknown[]>({
          rowMode: 'array',
          text: `SELECT position, id, source, topic, key, type, headers, payload, content_type, created_at
            FROM ${quotedSchema}.outbox WHERE position > $1 ORDER BY position LIMIT 2000`,
          values: [position],
        })
        if (rows.length === 0) return messages
        messages += rows.length
        position = rows.at(-1)?.[0] as string
      }
    })
  } finally {
    client.release()
  }
}

/** The limit of producing: records that are ready in memory, through the same publisher. */
export async function measureProduce({ transport, topic, signal }: BenchRoom, messages: number): Promise<Throughput> {
  const perCall = 2_000
  const constant = Object.freeze(['ce_type', 'bench.happened'] as const)
  const records = Array.from({ length: Math.min(perCall, messages) }, (_, number) => {
    const { key, data } = messageOf(topic, number)
    const bytes = Buffer.from(key)
    const partition = partitionOf(bytes, benchPartitions)
    return { topic, partition, key: bytes, value: Buffer.from(data), headers: [constant] }
  })
  return timed(async () => {
    for (let sent = 0; sent < messages; sent += records.length) {
      signal.throwIfAborted()
      const outcomes = await transport.publish(records.slice(0, Math.min(records.length, messages - sent)))
      if (outcomes.some(({ status }) => status !== 'acked')) {
        throw new OnceboxError('TRANSPORT_FAILED', 'Kafka did not take what the benchmark produced', {
          next: 'Check the brokers and the limits of the topic.',
        })
      }
    }
    return messages
  })
}

async function timed(work: () => Promise<number>): Promise<Throughput> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const messages = await work()
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: Math.round(messages / seconds), cpuUsPerMessage: round((user + system) / messages) }
}

export function round(value: number): number {
  return Math.round(value * 100) / 100
}
