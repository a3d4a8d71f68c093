import type { Clock } from '@oncebox/core'
import type { Timeline } from './timeline.js'

/** Virtual time begins here, in milliseconds since the Unix epoch. */
export const beginning = Date.UTC(2026, 0, 1)

/**
 * A process of the simulation: its timers and answers come as long as it lives, and late while it is stopped. What a dead
 * one waits for never comes.
 */
export class SimulatedProcess {
  readonly #timeline: Timeline
  readonly #ending: (() => void)[] = []
  #pausedUntil = 0
  alive = true

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  readonly clock: Clock = {
    now: () => beginning + this.#timeline.now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve()
        const cancel = this.after(ms, done)
        function done(): void {
          signal?.removeEventListener('abort', woken)
          resolve()
        }
        function woken(): void {
          cancel()
          done()
        }
        signal?.addEventListener('abort', woken, { once: true })
      }),
  }

  readonly monotonicMs = (): number => this.#timeline.now

  /** Plans something that only happens while the process lives and runs. */
  after(ms: number, run: () => void): () => void {
    let taken = false
    const attempt = (): void => {
      if (taken || !this.alive) return
      const wait = this.#pausedUntil - this.#timeline.now
      if (wait > 0) this.#timeline.after(wait, attempt)
      else run()
    }
    this.#timeline.after(ms, attempt)
    return () => {
      taken = true
    }
  }

  /** SIGSTOP, and SIGCONT so much later. */
  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#timeline.now + ms)
  }

  /** SIGKILL. `onEnd` hears of it: sockets that close. */
  kill(): void {
    this.alive = false
    for (const end of this.#ending.splice(0)) end()
  }

  onEnd(end: () => void): void {
    this.#ending.push(end)
  }
}
