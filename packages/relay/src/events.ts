import type { ErrorCode, TraceReference } from '@oncebox/core'

/** What a relay tells about itself; the CLI prints each as a line of JSON. Never holds a key or a payload. */
export type RelayEvent =
  /** The lease is held and publishing begins. */
  | { readonly event: 'ready'; readonly lane: number; readonly epoch: number }
  /** Another relay holds the lane; this one waits. */
  | { readonly event: 'standby'; readonly lane: number }
  /**
   * `count` records were acked by one publish. `waitedMs`: since the first of them was written, as the clocks of the
   * database and of this machine have it. `trace`: of the same one, where it is sampled.
   */
  | {
      readonly event: 'published'
      readonly lane: number
      readonly count: number
      readonly waitedMs: number
      readonly trace: TraceReference | null
    }
  /** `count` messages were moved aside, in order. */
  | {
      readonly event: 'parked'
      readonly lane: number
      readonly topic: string
      readonly count: number
      readonly code: ErrorCode
    }
  /** `count` messages left the side track. */
  | { readonly event: 'released'; readonly lane: number; readonly topic: string; readonly count: number }
  | { readonly event: 'topic_missing'; readonly lane: number; readonly topic: string }
  | { readonly event: 'topic_created'; readonly lane: number; readonly topic: string; readonly partitions: number }
  /** An operator paused a topic, or the lane (`topic` null): its messages wait. */
  | { readonly event: 'paused'; readonly lane: number; readonly topic: string | null }
  /** What was paused goes on. */
  | { readonly event: 'resumed'; readonly lane: number; readonly topic: string | null }
  /** A publish brought no acknowledgement for `count` records; they are sent again. */
  | { readonly event: 'publish_failed'; readonly lane: number; readonly count: number; readonly code: ErrorCode }
  /** `count` messages with a time to be delivered at came due. */
  | { readonly event: 'due'; readonly lane: number; readonly count: number }
  /** The slot that new rows are written to was moved on. */
  | { readonly event: 'slot_switched'; readonly slot: number }
  /** A leaf of the ring was emptied. */
  | { readonly event: 'leaf_reclaimed'; readonly leaf: string }
  /** The cursors were written in another database (a dump was restored): everything retained is published again. */
  | { readonly event: 'identity_changed' }
  /** Another relay took the lane, or the lease could not be renewed in time. */
  | { readonly event: 'lease_lost'; readonly lane: number; readonly epoch: number }
  /** The database went away or refused; the relay starts over after `retryInMs`. */
  | { readonly event: 'interrupted'; readonly lane: number; readonly code: string; readonly retryInMs: number }
  /** The lane is there no longer, because the number of lanes was changed: this relay ends. */
  | { readonly event: 'lane_removed'; readonly lane: number }
  | { readonly event: 'stopped'; readonly lane: number }
