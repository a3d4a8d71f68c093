import type { Publisher } from '../publisher.js'
import type { Subscriber } from '../subscriber.js'

/** What the suite needs from a transport under test. */
export interface TransportHarness {
  /** A new publisher; the suite connects and closes it. */
  publisher(): Publisher
  /** A new subscriber; the suite closes it. */
  subscriber(): Subscriber
  /** Makes a topic that nobody else uses and resolves to its name. `groups` are those that will subscribe to it. */
  createTopic(options: { readonly partitions: number; readonly groups: readonly string[] }): Promise<string>
  /** Kills the broker and starts it again with its data. Present when `create` was asked for an outage. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> }
  /** Closes what the suite does not. */
  close(): Promise<void>
}

/** True where the transport has it; otherwise the reason why not, which is printed with the skipped test. */
export type Support = true | string

/** What a transport has; of each, or why not. */
export interface TransportFeatures {
  /** Topics have partitions, and records go where `partition` says. */
  readonly partitions: Support
  /** Records carry offsets, and `assigned` can send a group to one. */
  readonly offsets: Support
  /** A topic can be missing, and be created by `createTopic`. */
  readonly missingTopics: Support
  /** There is a limit to a record's size. */
  readonly recordLimit: Support
  /** A group that first subscribes after records were published gets them. */
  readonly earliest: Support
  /** The broker can be killed and started again. */
  readonly outage: Support
}

export interface ConformanceOptions {
  /** Called once for the suite, and once more with `outage: true` for the tests that kill the broker. */
  create(needs: { readonly outage: boolean }): Promise<TransportHarness>
  /** What the transport has and what not. */
  readonly features: TransportFeatures
  /** A value of so many bytes is over the record limit; default 2,000,000. */
  readonly oversizeBytes?: number
  /** How long a member may be silent before its group gives it up; default 6,000. Long handlers run longer than this. */
  readonly sessionTimeoutMs?: number
}
