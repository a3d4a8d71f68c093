import type { RelayEvent } from '@oncebox/relay'
import { type Occurrence, relayStuck } from './notice.js'

/** Since when each lane fails without getting anything through. */
export class StuckRelays {
  readonly #since = new Map<number, number>()
  readonly #afterMs: number

  constructor(afterMs: number) {
    this.#afterMs = afterMs
  }

  /** Takes an event at the time `now`; a notice for every failure of a lane that has failed for too long. */
  saw(event: RelayEvent, now: number): Occurrence | null {
    switch (event.event) {
      case 'published':
      case 'released':
      case 'ready':
      case 'standby':
      case 'stopped':
        this.#since.delete(event.lane)
        return null
      case 'publish_failed':
      case 'interrupted': {
        const since = this.#since.get(event.lane) ?? now
        this.#since.set(event.lane, since)
        return now - since < this.#afterMs ? null : relayStuck(event.lane, event.code)
      }
      default:
        return null
    }
  }
}
