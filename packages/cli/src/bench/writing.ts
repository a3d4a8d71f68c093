import { fromPg } from '@oncebox/core/pg'
import { createOutbox } from '@oncebox/outbox'
import type { BenchRoom } from './room.js'
import { round } from './throughput.js'
import { messageOf } from './workload.js'

export interface Writing {
  /** Transactions a second of one insert each. */
  readonly withoutMessage: number
  /** The same with a message each. */
  readonly withMessage: number
  readonly ratio: number
}

const writers = 8
const turns = 3
const turnMs = 700

/** What a message costs the smallest transaction there is: 8 writers, with and without a message in turn. */
export async function measureWriting(room: BenchRoom): Promise<Writing> {
  let without = 0
  let withOne = 0
  for (let turn = 0; turn < turns; turn++) {
    without += await write(room, false)
    withOne += await write(room, true)
  }
  const seconds = (turns * turnMs) / 1_000
  return {
    withoutMessage: Math.round(without / seconds),
    withMessage: Math.round(withOne / seconds),
    ratio: round(withOne / without),
  }
}

/** Resolves to how many transactions committed within a turn. */
async function write({ pool, schema, quotedSchema, topic, signal }: BenchRoom, message: boolean): Promise<number> {
  const outbox = createOutbox({ source: 'oncebox-bench', schema })
  const end = performance.now() + turnMs
  let transactions = 0
  await Promise.all(
    Array.from({ length: writers }, async () => {
      const client = await pool.connect()
      try {
        while (performance.now() < end) {
          signal.throwIfAborted()
          await client.query('BEGIN')
          await client.query(`INSERT INTO ${quotedSchema}.business (customer, cents) VALUES ($1, $2)`, ['c', 1])
          if (message) await outbox.emit(fromPg(client), messageOf(topic, transactions))
          await client.query('COMMIT')
          transactions++
        }
      } finally {
        client.release(signal.aborted)
      }
    }),
  )
  return transactions
}
