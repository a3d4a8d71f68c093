import { fromPg } from '@oncebox/core/pg'
import { createOutbox, type OutgoingMessage } from '@oncebox/outbox'
import type { BenchRoom } from './room.js'

const keys = 1_000
const payloadBytes = 200
const perTransaction = 1_000

/** The message with a number: 200 bytes of JSON, one of a thousand keys. */
export function messageOf(
  topic: string,
  number: number,
): OutgoingMessage & { readonly key: string; readonly data: string } {
  const head = `{"number":${number},"pad":"`
  const data = `${head}${'x'.repeat(payloadBytes - head.length - 2)}"}`
  return { topic, key: `k${number % keys}`, type: 'bench.happened', data }
}

/** The number in a payload that `messageOf` made. */
export function numberOf(payload: Uint8Array | null): number {
  return Number(/^\{"number":(\d+)/.exec(Buffer.from(payload ?? []).toString('latin1'))?.[1])
}

/** Writes a backlog, a thousand messages a transaction. Stops early when it is told to. */
export async function fill({ pool, schema, topic, signal }: BenchRoom, messages: number): Promise<void> {
  const outbox = createOutbox({ source: 'oncebox-bench', schema })
  const client = await pool.connect()
  try {
    for (let from = 0; from < messages; from += perTransaction) {
      signal.throwIfAborted()
      const count = Math.min(perTransaction, messages - from)
      // A statement outside a transaction is one of its own.
      await outbox.emitMany(
        fromPg(client),
        Array.from({ length: count }, (_, n) => messageOf(topic, from + n)),
      )
    }
  } finally {
    client.release()
  }
}
