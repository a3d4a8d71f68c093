import { type Clock, checkSettings, kinds, type SettingKinds, systemClock } from '@oncebox/core'
import type { RelayEvent } from '@oncebox/relay'
import type { ReadinessCheck } from './readiness.js'

/** How one lane of a relay stands, as its events tell. */
export interface LaneHealth {
  readonly serves: boolean
  /** In words, for a lane that does not serve. */
  readonly doing: string
  /** Since when nothing has been acknowledged, though something was sent; null when that got through, or was moved aside. */
  readonly failingSince: number | null
}

export const notStarted: LaneHealth = { serves: false, doing: 'has not started', failingSince: null }

/** How the lane stands after an event. A standby serves: it takes over. Pure. */
export function laneAfter(lane: LaneHealth, event: RelayEvent, nowMs: number): LaneHealth {
  switch (event.event) {
    case 'ready':
      return { serves: true, doing: 'publishes', failingSince: null }
    case 'standby':
      return { serves: true, doing: 'stands by', failingSince: null }
    case 'lease_lost':
      return { serves: false, doing: 'has lost its lease', failingSince: null }
    case 'interrupted':
      return { serves: false, doing: `was interrupted (${event.code})`, failingSince: null }
    case 'stopped':
      return { serves: false, doing: 'has stopped', failingSince: null }
    case 'publish_failed':
      return { ...lane, failingSince: lane.failingSince ?? nowMs }
    case 'published':
    case 'released':
    case 'parked':
      return { ...lane, failingSince: null }
    default:
      return lane
  }
}

/** Why a lane cannot do its work; null when it can. Pure. */
export function laneTrouble(lane: LaneHealth, nowMs: number, failingMs: number): string | null {
  if (!lane.serves) return lane.doing
  if (lane.failingSince === null || nowMs - lane.failingSince < failingMs) return null
  return `gets no acknowledgement for ${Math.round((nowMs - lane.failingSince) / 1000)} s`
}

export interface RelayReadinessOptions {
  /** The lanes that this process serves. Default: lane 0. */
  readonly lanes?: readonly number[]
  /** How long publishes may fail before the relay counts as not ready, in milliseconds. Default 10,000. */
  readonly failingMs?: number
  /** Default: the machine's. */
  readonly clock?: Pick<Clock, 'now'>
}

/** A check for `operations`, told by the relays' events. */
export interface RelayReadiness extends ReadinessCheck {
  /** For `createRelay({ onEvent })`, of every lane. */
  readonly onEvent: (event: RelayEvent) => void
}

const settingKinds: SettingKinds<RelayReadinessOptions> = {
  lanes: kinds.listOf(kinds.count(0)),
  failingMs: kinds.spanMs(0),
  clock: kinds.present,
}

/**
 * Whether relays publish, or stand by for one that does. Not ready, and alive, while database or transport are away.
 *
 * @throws OnceboxError `INVALID_SETTING`
 */
export function relayReadiness(options: RelayReadinessOptions = {}): RelayReadiness {
  checkSettings('relayReadiness', options, settingKinds)
  const { lanes = [0], failingMs = 10_000, clock = systemClock } = options
  const states = new Map(lanes.map((lane) => [lane, notStarted]))
  return {
    name: 'relay',
    onEvent(event) {
      if (!('lane' in event)) return
      if (event.event === 'lane_removed') states.delete(event.lane)
      if (!states.has(event.lane)) return
      states.set(event.lane, laneAfter(states.get(event.lane) ?? notStarted, event, clock.now()))
    },
    check() {
      const troubles = [...states].flatMap(([lane, state]) => {
        const trouble = laneTrouble(state, clock.now(), failingMs)
        return trouble === null ? [] : [`lane ${lane} ${trouble}`]
      })
      return troubles.length === 0 ? null : troubles.join(', ')
    },
  }
}
