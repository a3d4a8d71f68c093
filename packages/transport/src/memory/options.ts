import type { Clock, ErrorCode } from '@oncebox/core'
import type { OutgoingRecord } from '../publisher.js'

export interface MemoryTransportOptions {
  /** Partitions of a topic that is created by its first use; default 3. */
  readonly partitions?: number
  /** Key, value and header bytes of the largest record that is taken; default 1,000,000. */
  readonly maxRecordBytes?: number
  /** What the first use of an unknown topic does: creates it, or is refused with `TOPIC_MISSING`. Default `create`. */
  readonly missingTopics?: 'create' | 'refuse'
  /** What `retentionMs` answers for a topic that exists; default 604,800,000: seven days, as a
   * Kafka broker's; -1 is for ever. Nothing is ever deleted. */
  readonly retentionMs?: number
  /** Time of record timestamps, `retryAfterMs` and stop deadlines; default the machine's. */
  readonly clock?: Clock
}

/** Decides whether a record is refused, and with which code; null takes it. */
export type RefuseRule = (record: OutgoingRecord) => ErrorCode | null
