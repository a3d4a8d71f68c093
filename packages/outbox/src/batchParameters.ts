import { OnceboxError } from '@oncebox/core'
import type { OutboxEntry } from './outgoingMessage.js'

/** Well below what Postgres takes in one parameter (1 GB) and Node in one string. */
const maxBatchBytes = 256 * 1024 * 1024

/**
 * The parameters of `emitMany`: messages as one JSON text, payloads as one run of bytes.
 *
 * @throws OnceboxError `PAYLOAD_TOO_LARGE` when the payloads are more than 256 MiB together.
 */
export function batchParameters(entries: readonly OutboxEntry[], source: string): [string, string, Uint8Array] {
  const payloads: Uint8Array[] = []
  let end = 1
  const rows = entries.map(({ id, topic, key, type, contentType, headers, payload, dueAt }) => {
    // The headers are JSON already, so the row is put together from texts.
    const at = payload === null ? '' : `,"at":${end},"length":${payload.byteLength}`
    if (payload !== null) {
      payloads.push(payload)
      end += payload.byteLength
    }
    const due = dueAt === null ? '' : `,"due_at":"${dueAt.toISOString()}"`
    const names = `"id":"${id}","topic":"${topic}","type":${JSON.stringify(type)}`
    const optional = `,"key":${JSON.stringify(key)},"content_type":${JSON.stringify(contentType)},"headers":${headers}`
    return `{${names}${optional}${at}${due}}`
  })
  if (end > maxBatchBytes) {
    throw new OnceboxError('PAYLOAD_TOO_LARGE', `The payloads of ${entries.length} messages are ${end - 1} bytes`, {
      next: `Emit at most ${maxBatchBytes} bytes a call; nothing was written.`,
    })
  }
  return [`[${rows.join(',')}]`, source, Buffer.concat(payloads)]
}
