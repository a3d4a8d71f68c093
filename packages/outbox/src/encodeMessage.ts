import { types } from 'node:util'
import {
  encodePayload,
  type IdSource,
  isUuid,
  isUuidV7,
  OnceboxError,
  topicNameProblem,
  uuidV7Time,
} from '@oncebox/core'
import { encodeHeaders } from './encodeHeaders.js'
import type { OutboxEntry, OutgoingMessage } from './outgoingMessage.js'
import { invalidMessage, textProblem } from './refusal.js'

const dayMs = 86_400_000
const longestDelayMs = 366 * dayMs
/** What is left between the default limit and the 1 MiB that Kafka takes by default, less the envelope's own headers. */
const maxNameBytes = 100_000

export interface EncodeContext {
  readonly ids: IdSource
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  /** Upper limit of payload and headers together, in bytes. */
  readonly maxPayloadBytes: number
  /** `traceparent` and `tracestate` of the caller, where there are any. */
  readonly trace: Readonly<Record<string, string>> | null
}

/**
 * Checks and encodes one message, without I/O.
 *
 * @throws OnceboxError `INVALID_MESSAGE`, `PAYLOAD_NOT_ENCODABLE`, `PAYLOAD_TOO_LARGE`.
 */
export function encodeMessage(message: OutgoingMessage, context: EncodeContext): OutboxEntry {
  if (typeof message !== 'object' || message === null) throw invalidMessage('The message is not an object')
  const { topic, type } = message
  if (typeof topic !== 'string') throw invalidMessage('The topic is not a string')
  const topicProblem = topicNameProblem(topic)
  if (topicProblem !== null) throw invalidMessage(`The topic name ${topicProblem}`)
  requireText('type', type)
  const key = message.key ?? null
  const keyProblem = key === null ? null : textProblem(key)
  if (keyProblem !== null) throw invalidMessage(`The key ${keyProblem}`)

  const dueAt = dueTime(message.deliverAt, context.now)
  const id = messageId(message.id, dueAt, context.ids)
  const headers = encodeHeaders(message.headers, context.trace)
  const { payload, contentType } = encodeData(message)

  requireSize('payload and headers', (payload?.byteLength ?? 0) + byteLength(headers), context.maxPayloadBytes)
  requireSize('key, type and content type', byteLength(key) + byteLength(type) + byteLength(contentType), maxNameBytes)
  return { id, topic, key, type, contentType, headers, payload, dueAt }
}

function requireSize(what: string, bytes: number, limit: number): void {
  if (bytes <= limit) return
  throw new OnceboxError('PAYLOAD_TOO_LARGE', `The message's ${what} are ${bytes} bytes, over the limit of ${limit}`, {
    next: 'Store the data elsewhere and send a reference; nothing was written.',
  })
}

function encodeData(message: OutgoingMessage): { payload: Uint8Array | null; contentType: string | null } {
  const given = message.contentType
  if (given !== undefined) requireText('content type', given)
  if (message.data === null) return { payload: null, contentType: given ?? null }
  const encoded = encodePayload(message.data)
  return { payload: encoded.bytes, contentType: given ?? encoded.contentType }
}

function dueTime(deliverAt: Date | undefined, now: number): Date | null {
  if (deliverAt === undefined) return null
  if (!types.isDate(deliverAt) || Number.isNaN(deliverAt.getTime())) {
    throw invalidMessage('deliverAt is not a valid Date')
  }
  if (deliverAt.getTime() > now + longestDelayMs) throw invalidMessage('deliverAt is more than a year ahead')
  return deliverAt.getTime() > now ? deliverAt : null
}

function messageId(id: string | undefined, dueAt: Date | null, ids: IdSource): string {
  // Consumers count their horizon from the time inside the id, so a scheduled message's is its due time.
  if (id === undefined) return dueAt === null ? ids.next() : ids.next(dueAt.getTime())
  if (typeof id !== 'string' || !isUuid(id)) throw invalidMessage('The id is not a UUID')
  if (dueAt !== null && isUuidV7(id) && Math.abs(uuidV7Time(id) - dueAt.getTime()) > dayMs) {
    throw new OnceboxError('INVALID_MESSAGE', 'The id is a UUIDv7 whose time is more than a day away from deliverAt', {
      next: 'Leave the id out, or make it with the time of deliverAt: consumers count their horizon from it.',
    })
  }
  return id.toLowerCase()
}

function requireText(what: string, value: unknown): asserts value is string {
  const problem = value === '' ? 'is empty' : textProblem(value)
  if (problem !== null) throw invalidMessage(`The ${what} ${problem}`)
}

function byteLength(text: string | null): number {
  return text === null ? 0 : Buffer.byteLength(text)
}
