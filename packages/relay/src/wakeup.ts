import type { Clock } from '@oncebox/core'

const woken = 'woken'

/** Lets one loop sleep until something happens or a time has passed. A notification while it is awake is not lost. */
export class Wakeup {
  readonly #clock: Clock
  #notified = false
  #asleep = false
  /** Serves one sleep after the other until somebody ends one. */
  #end = new AbortController()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  notify(): void {
    this.#notified = true
    // With a reason of ours: the default one is an exception with a stack, made each time.
    if (this.#asleep) this.#end.abort(woken)
  }

  /** Resolves `ms` milliseconds from now, or at the first notification since the last call. */
  async wait(ms: number): Promise<void> {
    if (!this.#notified && ms > 0) {
      this.#asleep = true
      // Timers hold 31 bits; longer waits end early, and their loops look again.
      await this.#clock.sleep(Math.min(ms, 0x7fffffff), this.#end.signal)
      this.#asleep = false
      if (this.#end.signal.aborted) this.#end = new AbortController()
    }
    this.#notified = false
  }
}
