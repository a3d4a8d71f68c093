import type { Clock } from '@oncebox/core'

/** Lets one loop sleep until something happens or a time has passed. A notification while it is awake is not lost. */
export class Wakeup {
  readonly #clock: Clock
  #notified = false
  #sleeping: AbortController | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  notify(): void {
    this.#notified = true
    this.#sleeping?.abort()
  }

  /** Resolves `ms` milliseconds from now, or at the first notification since the last call. */
  async wait(ms: number): Promise<void> {
    if (!this.#notified && ms > 0) {
      this.#sleeping = new AbortController()
      // Timers hold 31 bits; longer waits end early, and their loops look again.
      await this.#clock.sleep(Math.min(ms, 0x7fffffff), this.#sleeping.signal)
      this.#sleeping = undefined
    }
    this.#notified = false
  }
}
