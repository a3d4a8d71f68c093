/** A message of a transaction that committed. */
export interface CommittedEmit {
  readonly id: string
  readonly topic: string
  /** Null: a message without an order. */
  readonly key: string | null
  /** The turn of the writing transaction among those that held the key's business row: rises within topic and key. */
  readonly turn: number
  /** What the message's effect adds to the total of its key. Default 0. */
  readonly amount?: number
}

/** A record at the transport, as somebody who reads the topic from its beginning sees it. */
export interface PublishedRecord {
  readonly id: string
  readonly topic: string
  readonly key: string | null
  readonly partition: number
  /** Rises within a partition. */
  readonly offset: number
}

/** An entry that a handler made, one each time it ran and its transaction committed. */
export interface Effect {
  readonly id: string
  readonly key: string | null
  readonly amount?: number
}

/** What one consumer group saw and did. What is left out is not judged. */
export interface GroupHistory {
  readonly name: string
  /** Default: all topics. */
  readonly topics?: readonly string[]
  /** Ids as they were handed to a consumer, before its transaction began, in that order; those that came again included. */
  readonly deliveries?: readonly string[]
  /** In the order of their commits, at least within a key. */
  readonly effects?: readonly Effect[]
  /** The final total of each key. */
  readonly totals?: ReadonlyMap<string, number>
  /** Ids that were refused where an operator sees it (dead letters): they have no effect, and are not lost. */
  readonly refused?: readonly string[]
}

/** An attempt to write under an epoch: the lease of a lane had `current` at that time. */
export interface FencedWrite {
  readonly epoch: number
  readonly current: number
  readonly changedRows: number
}

/** Counts that the parts gave of themselves, to be held against the history. What is left out is not judged. */
export interface ReportedCounts {
  readonly emitted?: number
  readonly published?: number
  readonly received?: number
  readonly applied?: number
}

/** What happened in a run, told by bystanders: producers' business rows, the transport, handlers' own tables. */
export interface History {
  readonly emits: readonly CommittedEmit[]
  /** Ids of transactions that did not survive. Only makes the explanation of a phantom better. */
  readonly rolledBack?: readonly string[]
  readonly records?: readonly PublishedRecord[]
  readonly groups?: readonly GroupHistory[]
  readonly writes?: readonly FencedWrite[]
  readonly reported?: ReportedCounts
  /** Everything came to rest: what has not arrived by now is lost. */
  readonly settled: boolean
  /** Whether anything failed on purpose. Without faults there is no duplicate at all. */
  readonly faults: boolean
  /** How many duplicates there may be at the transport, and in each group, when there were faults. Default: any number. */
  readonly mostDuplicates?: number
}
