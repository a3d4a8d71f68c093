import type { Tx } from '@oncebox/core'
import { defaultSchema, requireSchema } from '@oncebox/schema'
import type { Inspector } from '@oncebox/transport'
import { readConsumers } from './consumers.js'
import { offsetsAgo, secondsUnread } from './lagAge.js'
import { readLanes } from './lanes.js'
import { readUnread } from './unread.js'

/** Between commit and publish. */
export interface LaneLag {
  readonly lane: number
  /** Committed messages that are neither published nor parked. Counted up to 10,000, estimated above. */
  readonly messages: number
  /** Whether `messages` was counted. */
  readonly exact: boolean
  /** Since the oldest of them was written; null when none waits. */
  readonly seconds: number | null
}

/** Between publish and effect, for one partition that a group reads. */
export interface ConsumerLag {
  readonly group: string
  readonly topic: string
  readonly partition: number
  /** Decimal texts. The end is null when the brokers were not asked, or have no such partition. */
  readonly nextOffset: string
  readonly endOffset: string | null
  /** Records that were published and not handled; null without an end. */
  readonly messages: number | null
  /** Since the first of them was published, to about one percent; null when none waits, or the end is not known. */
  readonly seconds: number | null
}

const neededVersion = 5

/**
 * What waits for a relay, lane by lane. Reads on `tx`; the cost does not depend on what is retained.
 *
 * @throws OnceboxError `SCHEMA_NOT_MIGRATED`, `INVALID_SETTING` for the schema name.
 */
export async function laneLag(tx: Tx, options: { readonly schema?: string } = {}): Promise<LaneLag[]> {
  const schema = options.schema ?? defaultSchema
  await requireSchema(tx, { schema, minimumVersion: neededVersion })
  const lanes = await readLanes(tx, schema, new Map())
  return lanes.map(({ lane, waiting, waitingExact, oldestSeconds }) => {
    return { lane, messages: waiting, exact: waitingExact, seconds: oldestSeconds }
  })
}

export interface ConsumerLagOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** Tells the ends of partitions; null: they stay unknown. The caller closes it. */
  readonly inspector: Inspector | null
  /** Milliseconds since the Unix epoch. Default `Date.now`. */
  readonly now?: () => number
}

/**
 * What waits for the consumer groups of this database: their next offsets against the ends of the partitions. A group
 * that has handled nothing yet has no next offset, and is not listed.
 *
 * @throws OnceboxError `SCHEMA_NOT_MIGRATED`, `INVALID_SETTING`, and what the inspector throws.
 */
export async function consumerLag(tx: Tx, options: ConsumerLagOptions): Promise<ConsumerLag[]> {
  const schema = options.schema ?? defaultSchema
  await requireSchema(tx, { schema, minimumVersion: neededVersion })
  const { inspector, now = Date.now } = options
  const unread = await readUnread(await readConsumers(tx, schema), inspector)
  const offsets = inspector === null ? null : offsetsAgo(inspector, now())
  const lags: ConsumerLag[] = []
  for (const { first, ...place } of unread) {
    const { topic, partition, messages } = place
    const waits = offsets !== null && first !== null && messages !== null && messages > 0
    const seconds = waits ? await secondsUnread(offsets, { topic, partition, offset: first }) : null
    lags.push({ ...place, seconds })
  }
  return lags
}
