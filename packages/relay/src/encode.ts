import { encodeHeaders, type OutboxRow, partitionOf } from '@oncebox/core'
import type { OutgoingRecord } from '@oncebox/transport'

/**
 * Names what is ordered among itself: all messages of a topic with one key, and the topic's messages without a key,
 * which have no order but are retried together. No topic name holds a NUL.
 */
export function groupOf(topic: string, key: string | null): string {
  return key === null ? `\0${topic}` : `${topic}\0${key}`
}

/** A record under way. Its partition is found when its topic's partitions are known. */
export type EncodedRecord = { -readonly [Name in keyof OutgoingRecord]: OutgoingRecord[Name] }

export function encodeRecord(row: OutboxRow): EncodedRecord {
  return {
    topic: row.topic,
    partition: null,
    key: row.key === null ? null : Buffer.from(row.key, 'utf8'),
    value: row.payload,
    headers: encodeHeaders(row),
  }
}

/** `partitions`: as pinned for the topic; 0 where the transport has none. */
export function assignPartition(record: EncodedRecord, partitions: number): void {
  record.partition = record.key === null || partitions === 0 ? null : partitionOf(record.key, partitions)
}

/** Bytes that an unpublished message is counted with: what it holds, and what its objects cost. */
export function memoryBytes(row: OutboxRow): number {
  let headers = 0
  if (row.headers !== null) for (const name in row.headers) headers += name.length + (row.headers[name]?.length ?? 0)
  return 1_000 + (row.payload?.length ?? 0) + (row.key?.length ?? 0) + headers
}
