import type { Logger } from '@oncebox/core'
import type { RelayEvent } from '@oncebox/relay'
import type { RelayFlags } from '../verbs/relay.js'

/** What ends the command although nobody asked for it. */
export class RelayEndings {
  /** How many lanes the command serves. */
  lanes = 1
  readonly #flags: RelayFlags
  readonly #logger: Logger
  readonly #ending = new AbortController()
  readonly #removed = new Set<number>()

  constructor(flags: RelayFlags, logger: Logger) {
    this.#flags = flags
    this.#logger = logger
  }

  /** Aborts when it is over: exit code 1. */
  get signal(): AbortSignal {
    return this.#ending.signal
  }

  happened(event: RelayEvent): void {
    if (event.event === 'lane_removed') {
      this.#removed.add(event.lane)
      if (this.#removed.size < this.lanes) return
      this.#logger.error(
        { next: 'Start it again without --lane, or with one of "oncebox lanes".' },
        'no lane is left to serve',
      )
      this.#ending.abort()
    }
    if (event.event === 'paused' && event.topic === null && this.#flags.untilIdle === true) {
      const next = `Run "oncebox resume --lane ${event.lane}".`
      this.#logger.error({ lane: event.lane, next }, 'the lane is paused: what waits in it cannot be published')
      this.#ending.abort()
    }
  }
}
