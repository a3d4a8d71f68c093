import type { ErrorCode, TraceReference } from '@oncebox/core'

/** Where a message was read, and which one it is. */
export interface MessageReference {
  readonly topic: string
  readonly partition: number
  /** Decimal text; null where the transport has none. */
  readonly offset: string | null
  /** The global id. */
  readonly messageId: string
  /** CloudEvents type. */
  readonly messageType: string
}

/** What a consumer tells `onEvent`. Nothing here holds a payload, a key or a header. */
export type ConsumerEvent =
  | { readonly type: 'started'; readonly group: string; readonly topics: readonly string[] }
  | { readonly type: 'stopped'; readonly group: string }
  /** A transaction committed, `tookMs` after it was begun. */
  | ({
      readonly type: 'committed'
      readonly topic: string
      readonly partition: number
      readonly tookMs: number
      readonly first: FirstHandled | null
    } & SpanCounts)
  /** An attempt failed and was counted. */
  | ({ readonly type: 'attemptFailed'; readonly attempts: number; readonly error: unknown } & MessageReference)
  | ({ readonly type: 'deadLettered'; readonly reason: string } & MessageReference)
  /** A handler decided that there is nothing to do; `reason` is its own. */
  | ({ readonly type: 'skipped'; readonly reason: string } & MessageReference)
  /** A message waits beside the stream, because it failed or because one of its key before it waits. */
  | ({ readonly type: 'parked' } & MessageReference)
  /** A handler put a message off. */
  | ({ readonly type: 'putOff'; readonly retryAfterMs: number } & MessageReference)
  /** A message that waited, or a dead letter that an operator retried, has been handled. */
  | ({ readonly type: 'redriven' } & MessageReference)
  /**
   * The consumer before this one ended without giving the partition back: the first messages run by few. `accused`: how
   * many it had in hand while it was as careful; those run one by one, each attempt counted before it begins.
   */
  | { readonly type: 'careful'; readonly topic: string; readonly partition: number; readonly accused: number }
  /** A batch met a serialization failure or a deadlock; it goes on in transactions of `batchMessages`. */
  | { readonly type: 'conflict'; readonly topic: string; readonly partition: number; readonly batchMessages: number }
  /** The database was away, or a statement of the inbox itself failed: tried again after `retryAfterMs`, uncounted. */
  | { readonly type: 'paused'; readonly topic: string; readonly partition: number; readonly retryAfterMs: number }
  /** The database has lost commits (a failover, a restore): the group is joined again, and what was lost comes again. */
  | { readonly type: 'wentBack'; readonly topic: string; readonly partition: number }
  /** A message nobody may skip (`unknownType: 'block'`, an asynchronous schema) stops its partition. */
  | ({ readonly type: 'blocked'; readonly reason: string } & MessageReference)
  /** Dead letters arrived at the dead-letter topic. */
  | { readonly type: 'copied'; readonly topic: string; readonly count: number }
  /** Copies of dead letters did not; they stay in the database and are sent again after a pause. */
  | { readonly type: 'copyFailed'; readonly topic: string; readonly count: number; readonly code: ErrorCode | null }
  | { readonly type: 'reclaimed'; readonly leaves: readonly string[]; readonly floorMs: number }

/** The first message whose handler ran in a transaction. */
export interface FirstHandled {
  /**
   * Milliseconds from its publish to the commit, as the clocks of the broker (or its producer) and of this machine have
   * it.
   */
  readonly waitedMs: number
  /** Where it is sampled. */
  readonly trace: TraceReference | null
}

/** What became of the records of one committed transaction. */
export interface SpanCounts {
  /** Messages whose handler ran. */
  readonly handled: number
  /** Messages skipped because their id was handled before, or stood earlier in the same batch. */
  readonly duplicates: number
  /** Messages given up: they are among the dead letters. */
  readonly deadLettered: number
  /** Messages whose handler decided that there is nothing to do. */
  readonly skipped: number
  /** Messages that wait beside the stream: they failed, or one of their key before them waits. */
  readonly parked: number
  /** Messages of a type without a handler. */
  readonly ignored: number
}

/** What became of everything that a consumer was handed since it was created. */
export interface ConsumerCounters extends SpanCounts {
  /** Records handed over by the transport, those that came again included. */
  readonly received: number
  /** Transactions that committed. */
  readonly transactions: number
  /** Attempts that failed and were counted. */
  readonly failedAttempts: number
  /** Transactions lost to serialization failures and deadlocks. */
  readonly conflicts: number
  /** Parked messages and retried dead letters that were handled. */
  readonly redriven: number
  /** Pauses because the database was away. */
  readonly pauses: number
}

const spanCounts = ['handled', 'duplicates', 'deadLettered', 'skipped', 'parked', 'ignored'] as const

/** Sums up what a consumer did since it was created. */
export class Counters {
  #counts = {
    received: 0,
    handled: 0,
    duplicates: 0,
    deadLettered: 0,
    skipped: 0,
    parked: 0,
    redriven: 0,
    ignored: 0,
    transactions: 0,
    failedAttempts: 0,
    conflicts: 0,
    pauses: 0,
  }

  add(name: keyof ConsumerCounters, count = 1): void {
    this.#counts[name] += count
  }

  committed(counts: SpanCounts): void {
    this.add('transactions')
    for (const name of spanCounts) this.add(name, counts[name])
  }

  snapshot(): ConsumerCounters {
    return { ...this.#counts }
  }
}
