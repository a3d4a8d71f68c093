import { setTimeout as sleep } from 'node:timers/promises'
import { type Logger, silentLogger } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import { createRelay } from '@oncebox/relay'
import type { BenchRoom } from './room.js'
import { round } from './throughput.js'
import { messageOf, numberOf } from './workload.js'

export interface Latency {
  /** Messages a second that were emitted, one a transaction. */
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const perSecond = 200
const seconds = 3
const arriveMs = 20_000
/** Numbers that no earlier message has. */
const firstNumber = 1_000_000_000

/** From the commit's acknowledgement to a consumer of the topic, at a steady rate that disturbs nobody. */
export async function measureLatency(room: BenchRoom, logger: Logger): Promise<Latency> {
  const { pool, transport, schema, topic, group, signal } = room
  const total = perSecond * seconds
  const written = new Map<number, number>()
  const received = new Map<number, number>()
  const subscription = await transport.subscribe(
    { group, topics: [topic], maxRecords: 10_000, maxBytes: 8 << 20, logger: silentLogger },
    {
      assigned: async () => new Map(),
      revoked: async () => {},
      async batch({ records }) {
        const at = performance.now()
        for (const { value } of records) received.set(numberOf(value), at)
        return { done: records.length }
      },
    },
  )
  const relay = createRelay({ pool, publisher: transport, schema })
  try {
    await relay.start()
    // What other measurements left in outbox and topic comes first: the mark behind it says that it is over.
    await emitOne(room, firstNumber)
    await arrival(received, () => received.has(firstNumber), signal)
    const start = performance.now()
    const pending: Promise<void>[] = []
    for (let sent = 0; sent < total; ) {
      signal.throwIfAborted()
      const due = Math.min(total, Math.floor(((performance.now() - start) * perSecond) / 1_000))
      for (; sent < due; sent++) {
        const number = firstNumber + 1 + sent
        pending.push(emitOne(room, number).then((at) => void written.set(number, at)))
      }
      await sleep(1)
    }
    await Promise.all(pending)
    await arrival(received, () => [...written.keys()].every((number) => received.has(number)), signal)
  } finally {
    await relay.stop()
    await subscription.stop({ deadlineMs: 2_000 })
  }
  const latencies = [...written].flatMap(([number, at]) => {
    const seen = received.get(number)
    return seen === undefined ? [] : [Math.max(0, seen - at)]
  })
  if (latencies.length < total)
    logger.warn({ missing: total - latencies.length }, 'some messages did not arrive in time')
  latencies.sort((a, b) => a - b)
  const quantile = (share: number) => round(latencies[Math.floor((latencies.length - 1) * share)] ?? Number.NaN)
  return { perSecond, p50Ms: quantile(0.5), p99Ms: quantile(0.99) }
}

/** Commits one message; resolves to when that was acknowledged. */
async function emitOne({ pool, schema, topic }: BenchRoom, number: number): Promise<number> {
  const client = await pool.connect()
  try {
    await createOutbox({ source: 'oncebox-bench', schema }).emit(fromPg(client), messageOf(topic, number))
    return performance.now()
  } finally {
    client.release()
  }
}

async function arrival(received: ReadonlyMap<number, number>, all: () => boolean, signal: AbortSignal): Promise<void> {
  let before = received.size
  let movedAt = performance.now()
  while (!all() && performance.now() - movedAt < arriveMs) {
    signal.throwIfAborted()
    await sleep(10)
    if (received.size !== before) movedAt = performance.now()
    before = received.size
  }
}
