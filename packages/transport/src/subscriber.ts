import type { Logger, WireRecord } from '@oncebox/core'

/** A partition of a topic. On transports without partitions there is one, number 0. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
  /** The topic's own id where the transport tells it, otherwise ''. A topic deleted and made again has another. */
  readonly topicId: string
}

/** Records of one partition, in order, never empty. */
export interface IncomingBatch extends TopicPartition {
  readonly records: readonly WireRecord[]
  /** Aborts when the partition is no longer ours (revoked, session lost) or the stop deadline has passed. */
  readonly signal: AbortSignal
}

/** How far a batch got. */
export interface BatchProgress {
  /** So many records from the front are done and may be acked (0 to `records.length`). */
  readonly done: number
  /** When fewer than all are done: deliver the rest of this partition again no sooner than in so many milliseconds. */
  readonly retryAfterMs?: number
}

/** What a consumer does for a subscriber. */
export interface BatchHandler {
  /**
   * Called when partitions were assigned, before any batch of theirs. Returns the offsets (decimal text) at which to
   * go on, keyed by the objects it was given, for partitions that have one; the others go on where the group left off, a new group at the earliest.
   * An offset beyond the partition's end is of another life of the topic: the subscriber ignores it and logs so.
   * Rejecting makes the subscriber try again after a pause.
   */
  assigned(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<TopicPartition, string>>

  /**
   * Called for each batch; for one partition never twice at once. The subscriber keeps the group membership alive while it
   * runs, acks `done` records, and delivers the others again. Rejecting means `{ done: 0, retryAfterMs: 1000 }`.
   */
  batch(batch: IncomingBatch): Promise<BatchProgress>

  /** Called when partitions were taken away cleanly, after their running batch has ended. */
  revoked(partitions: readonly TopicPartition[]): Promise<void>
}

/** What a consumer wants of a subscriber. */
export interface SubscribeOptions {
  /** The consumer group to join. */
  readonly group: string
  /** Names of the topics. */
  readonly topics: readonly string[]
  /** Upper limit of records a batch. */
  readonly maxRecords: number
  /** Upper limit of value bytes a batch; a single larger record still comes, alone. */
  readonly maxBytes: number
  /** What the subscription logs to. */
  readonly logger: Logger
}

/** A membership in a group, until it is stopped. */
export interface Subscription {
  /**
   * Takes no new batch, waits for the running ones up to `deadlineMs` (then aborts their signals and waits no longer),
   * acks what is done, leaves the group. Idempotent.
   */
  stop(options: { readonly deadlineMs: number }): Promise<void>
}

/** Receives records. One implementation for each transport; all pass the conformance suite. */
export interface Subscriber {
  readonly name: string

  /**
   * Joins a group and starts to deliver. Resolves once the group is joined. A broker that goes away and comes back is
   * the subscriber's business: it goes on by itself.
   * @throws OnceboxError `TRANSPORT_UNREACHABLE`, `TOPIC_MISSING`, `NOT_AUTHORIZED` when it cannot start.
   */
  subscribe(options: SubscribeOptions, handler: BatchHandler): Promise<Subscription>

  /**
   * How long the topic keeps records, in milliseconds: -1 for ever, null when it cannot be read.
   */
  retentionMs(topic: string): Promise<number | null>

  /** Stops every subscription (deadline 0) and closes what this subscriber opened itself. Idempotent. */
  close(): Promise<void>
}
