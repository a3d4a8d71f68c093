import type { ErrorCode, RawHeader } from '@oncebox/core'
import type { RecordSink } from './recordSink.js'

/** A record on its way out. The wire format (headers, key bytes, value bytes) is already applied. */
export interface OutgoingRecord {
  readonly topic: string
  /** The partition it must go to; null on transports without partitions and, for records without a key, anywhere. */
  readonly partition: number | null
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** In order; names may repeat. */
  readonly headers: readonly (readonly [name: string, value: string | Uint8Array])[]
  /** About how many bytes the record takes, where that is known without looking at its parts. */
  readonly size?: number
  /** Hands over key, value and headers without making an object of each, where the record can. See `writeRecordTo`. */
  writeTo?(sink: RecordSink): void
}

/**
 * What became of one record.
 *
 * - `acked`: durable at the transport (Kafka: acks=all). `offset` null where there is none.
 * - `refused`: definitely not written, and the same record will be refused again until somebody mends the cause
 *   (`RECORD_TOO_LARGE`, `TOPIC_MISSING`, `NOT_AUTHORIZED`, `TOPIC_WITHOUT_GROUP`, `RECORD_REFUSED`).
 * - `failed`: no acknowledgement came; it may or may not have been written. Sending it again is right.
 * - `held`: not sent, because an earlier record of the same topic and key in this call was not acked.
 */
export type PublishOutcome =
  | { readonly status: 'acked'; readonly partition: number; readonly offset: number | null }
  | { readonly status: 'refused'; readonly code: ErrorCode; readonly reason: string }
  | { readonly status: 'failed'; readonly code: ErrorCode; readonly reason: string }
  | { readonly status: 'held' }

/** Sends records. One implementation for each transport; all pass the conformance suite. */
export interface Publisher {
  /** For logs: `kafkajs`, `pg-boss`, `memory`. */
  readonly name: string
  /** How many records a call carries best: more save round trips, fewer are sent twice after a crash. Default 500. */
  readonly preferredRecords?: number

  /** Connects; idempotent. @throws OnceboxError `TRANSPORT_UNREACHABLE` when it cannot. */
  connect(): Promise<void>

  /**
   * How many partitions a topic has: null when the topic does not exist, 0 when the transport has no partitions.
   * Asks the transport each time. @throws OnceboxError `TRANSPORT_UNREACHABLE`, `TRANSPORT_FAILED`.
   */
  partitions(topic: string): Promise<number | null>

  /** Creates a topic; one that is already there is fine. @throws OnceboxError as `partitions`, and `NOT_AUTHORIZED`. */
  createTopic(topic: string, partitions: number): Promise<void>

  /**
   * Sends `records` and resolves, in their order, to what became of each. Never rejects: an unreachable transport is
   * `failed` for every record. One call at a time.
   *
   * Within a call, and for each (topic, key): the records reach the transport in their order, and none is written
   * after an earlier one that was not acked. Records without a key have no order. A request refused as too large is
   * split until the culprit is alone, so that every other record is acked.
   */
  publish(records: readonly OutgoingRecord[]): Promise<PublishOutcome[]>

  /** Waits for the call in flight, then closes what this publisher opened itself. Idempotent. */
  close(): Promise<void>
}

/** Header values as bytes. */
export function headerBytes(headers: OutgoingRecord['headers']): RawHeader[] {
  return headers.map(([name, value]) => [name, typeof value === 'string' ? Buffer.from(value, 'utf8') : value])
}
