import {
  type Clock,
  checkSettings,
  kinds,
  type Logger,
  OnceboxError,
  type SettingKinds,
  silentLogger,
  systemClock,
} from '@oncebox/core'
import { defaultSchema, outboxRing } from '@oncebox/schema'
import type { Publisher } from '@oncebox/transport'
import type { RelayEvent } from './events.js'
import type { SessionPool } from './session.js'

export interface RelayOptions {
  /**
   * A pg `Pool` of the primary, made and closed by the caller. The relay takes three sessions out of it (windows,
   * cursor, and now and then one for maintenance), so its `max` has to be at least 3.
   */
  readonly pool: SessionPool
  /** Where messages go. Connected by the relay, closed by the caller. */
  readonly publisher: Publisher
  /** Schema of the project's tables. Default `oncebox`. */
  readonly schema?: string
  /** The lane to hold. Default 0. */
  readonly lane?: number
  /** How long after its last sign of life a relay is taken for dead, in milliseconds. Default 10,000; at least 1,000. */
  readonly leaseMs?: number
  /** Upper limit of messages a publish. Default: what the publisher prefers (2,000 with `@oncebox/kafka`), else 500. */
  readonly batchMessages?: number
  /** Upper limit of payload bytes a publish; memory is bounded by four times as much. Default 4 MiB. */
  readonly batchBytes?: number
  /** How long published rows stay in the outbox at least, in milliseconds. Default 3 days. */
  readonly retentionMs?: number
  /** How long one leaf of the ring takes new rows, in milliseconds. Default 12 hours. */
  readonly leafWidthMs?: number
  /** Pause between looks at the ring, in milliseconds. Default 10,000. */
  readonly reclaimEveryMs?: number
  /**
   * Partitions of topics that the relay creates. Default: it creates none, and messages wait until the topic is there.
   */
  readonly createTopics?: number
  /**
   * How long a partition (a key, where there are none) may keep failing, while others are acked, before it is moved aside, in
   * milliseconds. Default 30,000.
   */
  readonly parkAfterMs?: number
  /** Pause before a missing topic is looked for again, in milliseconds. Default 5,000. */
  readonly topicRetryMs?: number
  /** Pause between looks for what an operator has paused or resumed, in milliseconds. Default 1,000. */
  readonly pauseLookMs?: number
  /** How long `stop` waits where its call does not say, in milliseconds. Default 10,000. */
  readonly stopDeadlineMs?: number
  /** Names this relay in the cursor's `holder`. Default: host name and process id. */
  readonly holder?: string
  /** Default: silent. */
  readonly logger?: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /** A number from 0 up to 1, for jitter. Default `Math.random`. */
  readonly random?: () => number
  /** Milliseconds that never go back, whatever is done to the clock. Default `performance.now`. */
  readonly monotonicMs?: () => number
  /** Is told what happens, synchronously. Must not throw. Default: nobody is told. */
  readonly onEvent?: (event: RelayEvent) => void
}

/** The options with every default filled in. */
export type RelaySettings = Required<Omit<RelayOptions, 'createTopics' | 'pool' | 'publisher' | 'holder'>> & {
  readonly createTopics: number | null
}

const dayMs = 86_400_000

const settingKinds: SettingKinds<RelayOptions> = {
  pool: kinds.withMethods('a pg pool', 'connect'),
  publisher: kinds.withMethods('a publisher', 'connect', 'partitions', 'publish', 'close'),
  schema: kinds.text,
  lane: kinds.count(0),
  leaseMs: kinds.milliseconds(1_000),
  batchMessages: kinds.count(1),
  batchBytes: kinds.bytes(1),
  retentionMs: kinds.spanMs(0),
  leafWidthMs: kinds.spanMs(1),
  reclaimEveryMs: kinds.milliseconds(1),
  createTopics: kinds.count(1),
  parkAfterMs: kinds.spanMs(0),
  topicRetryMs: kinds.milliseconds(1),
  pauseLookMs: kinds.milliseconds(1),
  stopDeadlineMs: kinds.milliseconds(0),
  holder: kinds.text,
  logger: kinds.logger,
  clock: kinds.clock,
  random: kinds.callable,
  monotonicMs: kinds.callable,
  onEvent: kinds.callable,
}

/** @throws OnceboxError `INVALID_SETTING` */
export function relaySettings(options: RelayOptions): RelaySettings {
  checkSettings('createRelay', options, settingKinds, ['pool', 'publisher'])
  const settings: RelaySettings = {
    schema: options.schema ?? defaultSchema,
    lane: options.lane ?? 0,
    leaseMs: options.leaseMs ?? 10_000,
    batchMessages: options.batchMessages ?? options.publisher.preferredRecords ?? 500,
    batchBytes: options.batchBytes ?? 4 << 20,
    retentionMs: options.retentionMs ?? 3 * dayMs,
    leafWidthMs: options.leafWidthMs ?? outboxRing.widthMs,
    reclaimEveryMs: options.reclaimEveryMs ?? 10_000,
    createTopics: options.createTopics ?? null,
    parkAfterMs: options.parkAfterMs ?? 30_000,
    topicRetryMs: options.topicRetryMs ?? 5_000,
    pauseLookMs: options.pauseLookMs ?? 1_000,
    stopDeadlineMs: options.stopDeadlineMs ?? 10_000,
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    monotonicMs: options.monotonicMs ?? (() => performance.now()),
    onEvent: options.onEvent ?? (() => {}),
  }
  const sessions = options.pool.options?.max
  if (sessions !== undefined && sessions < 3) {
    throw new OnceboxError('INVALID_SETTING', `The relay's pool allows ${sessions} sessions, and it needs 3`, {
      next: 'Raise the max of the pool, or give the relay a pool of its own.',
    })
  }
  return settings
}
