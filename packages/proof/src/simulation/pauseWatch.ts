import type { RelayEvent } from '@oncebox/relay'
import type { Publisher } from '@oncebox/transport'
import type { Broken } from './broken.js'
import { pauseKey } from './pauseStatements.js'

/** What ends a term, in which nothing is paused any more as far as the relay has told. */
const termEnds: readonly RelayEvent['event'][] = ['lease_lost', 'interrupted', 'stopped', 'lane_removed']

/**
 * Watches that nothing leaves that is paused: from when a relay has told so, until it tells that it goes on; and whatever a
 * relay has told, when it had been paused before the relay got its lane, and nobody has begun to let it go on.
 */
export class PauseWatch {
  readonly broken: Broken[] = []
  readonly #now: () => number
  /** Since when which pauses are in force for sure. */
  readonly #inForce = new Map<string, number>()

  constructor(now: () => number) {
    this.#now = now
  }

  began(key: string): void {
    this.#inForce.set(key, this.#now())
  }

  /** Or may have ended: whoever lets something go on does not know when the server does it. */
  ended(key: string): void {
    this.#inForce.delete(key)
  }

  /** Lanes from this one on are no more, and with them their pauses. */
  lanesEnded(from: number): void {
    for (const key of this.#inForce.keys()) if (laneIn(key) >= from) this.ended(key)
  }

  /** What one relay process tells, and what it publishes. */
  relay(lane: number): { readonly heard: (event: RelayEvent) => void; readonly watched: (it: Publisher) => Publisher } {
    const told = new Set<string>()
    let readyAt: number | null = null
    const heard = (event: RelayEvent): void => {
      if (event.event === 'paused') told.add(keyIn(event))
      else if (event.event === 'resumed') told.delete(keyIn(event))
      else if (event.event === 'ready' || termEnds.includes(event.event)) {
        told.clear()
        readyAt = event.event === 'ready' ? this.#now() : null
      }
    }
    const look = (key: string): void => {
      const before = readyAt !== null && (this.#inForce.get(key) ?? Infinity) < readyAt
      if (told.has(key) || before) this.broken.push({ rule: 'paused', message: `${key} is paused, and is published` })
    }
    const publish =
      (publisher: Publisher): Publisher['publish'] =>
      (records) => {
        look(pauseKey({ lane }))
        for (const topic of new Set(records.map((record) => record.topic))) look(pauseKey({ topic }))
        return publisher.publish(records)
      }
    return { heard, watched: (publisher) => ({ ...publisher, publish: publish(publisher) }) }
  }
}

function keyIn({ lane, topic }: { readonly lane: number; readonly topic: string | null }): string {
  return pauseKey(topic === null ? { lane } : { topic })
}

function laneIn(key: string): number {
  return key.startsWith('lane ') ? Number(key.slice('lane '.length)) : -1
}
