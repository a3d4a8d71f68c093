import { type Clock, checkSettings, kinds, type SettingKinds, systemClock } from '@oncebox/core'
import type { ConsumerEvent } from '@oncebox/inbox'
import type { ReadinessCheck } from './readiness.js'

/** How a consumer stands, as its events tell. */
export interface ConsumerHealth {
  readonly running: boolean
  /** While its database is away: since when, and when it is tried again. */
  readonly pause: { readonly since: number; readonly until: number } | null
}

export const notRunning: ConsumerHealth = { running: false, pause: null }

/** How it stands after an event. One commit says that the database is there. Pure. */
export function consumerAfter(health: ConsumerHealth, event: ConsumerEvent, nowMs: number): ConsumerHealth {
  switch (event.type) {
    case 'started':
      return { running: true, pause: null }
    case 'stopped':
      return notRunning
    case 'paused':
      return { ...health, pause: { since: health.pause?.since ?? nowMs, until: nowMs + event.retryAfterMs } }
    case 'committed':
      return health.pause === null ? health : { ...health, pause: null }
    default:
      return health
  }
}

/** A try takes at most so long to fail: a pause that is over for longer ended with its partition's going elsewhere. */
const graceMs = 60_000

/** Why the consumer cannot do its work; null when it can. Pure. */
export function consumerTrouble({ running, pause }: ConsumerHealth, nowMs: number, pausedMs: number): string | null {
  if (!running) return 'is not running'
  if (pause === null || nowMs - pause.since < pausedMs || nowMs > pause.until + graceMs) return null
  return `cannot use its database since ${Math.round((nowMs - pause.since) / 1000)} s`
}

export interface ConsumerReadinessOptions {
  /** How long the database may be away before the consumer counts as not ready, in milliseconds. Default 10,000. */
  readonly pausedMs?: number
  /** Default: the machine's. */
  readonly clock?: Pick<Clock, 'now'>
}

/** A check for `operations`, told by the consumer's events. */
export interface ConsumerReadiness extends ReadinessCheck {
  /** For `createConsumer({ onEvent })`. */
  readonly onEvent: (event: ConsumerEvent) => void
}

const settingKinds: SettingKinds<ConsumerReadinessOptions> = { pausedMs: kinds.spanMs(0), clock: kinds.present }

/**
 * Whether a consumer runs and its database is there. What its handlers fail at makes no process unready.
 *
 * @throws OnceboxError `INVALID_SETTING`
 */
export function consumerReadiness(options: ConsumerReadinessOptions = {}): ConsumerReadiness {
  checkSettings('consumerReadiness', options, settingKinds)
  const { pausedMs = 10_000, clock = systemClock } = options
  let health = notRunning
  return {
    name: 'consumer',
    onEvent(event) {
      health = consumerAfter(health, event, clock.now())
    },
    check: () => consumerTrouble(health, clock.now(), pausedMs),
  }
}
