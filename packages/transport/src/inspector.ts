/** What a cluster says about one topic. */
export interface TopicFacts {
  readonly topic: string
  readonly partitions: number
  /** Copies, and copies in sync, of the partition that has the fewest. */
  readonly replicas: number
  readonly inSync: number
  /** `min.insync.replicas`: with fewer in sync a write with acks=all is refused. Null where it may not be read. */
  readonly minInSync: number | null
  /** `max.message.bytes` of a batch of records. Null where it may not be read. */
  readonly maxMessageBytes: number | null
  /** How long records are kept, in milliseconds: -1 for ever. Null where it may not be read. */
  readonly retentionMs: number | null
}

/** First and next offset of a partition, as decimal text. */
export interface OffsetRange {
  readonly low: string
  readonly high: string
}

/** Asks a cluster questions, and changes nothing in it. For operators' commands, not on any message's way. */
export interface Inspector {
  /**
   * Those of the topics that exist, by name.
   * @throws OnceboxError `TRANSPORT_UNREACHABLE`, `TRANSPORT_FAILED`, `NOT_AUTHORIZED`, as every method here.
   */
  topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicFacts>>

  /** The offsets of a topic that exists, by partition. */
  offsets(topic: string): Promise<ReadonlyMap<number, OffsetRange>>

  /**
   * By partition the offset, as decimal text, of the first record that was published at `timeMs` or later; the next
   * offset where there is none.
   */
  offsetsAt(topic: string, timeMs: number): Promise<ReadonlyMap<number, string>>

  /** Closes what it opened. Idempotent. */
  close(): Promise<void>
}
