import type { Clock } from '@oncebox/core'
import type { Entry } from './entry.js'
import type { Ledger } from './ledger.js'
import { nextPauseMs } from './pace.js'
import type { Partitions } from './partitions.js'
import { fitting } from './plan.js'
import type { Source } from './source.js'
import { Wakeup } from './wakeup.js'

export interface ReadAheadParts {
  readonly source: Source
  readonly ledger: Ledger
  readonly partitions: Partitions
  /** Moves due messages into the outbox. */
  readonly moveDue: () => Promise<void>
  /** Messages a page, and messages a publish. */
  readonly pageRows: number
  readonly batchRows: number
  /** Upper limit of bytes read and not settled. */
  readonly memoryBytes: number
  readonly clock: Clock
  /** Called after every page, also one of no messages, which ends a window. */
  readonly onRead: (count: number) => void
}

/** Reads the next pages while the last publish is in flight, within a limit of memory. */
export class ReadAhead {
  readonly #parts: ReadAheadParts
  readonly #wakeup: Wakeup
  readonly #queue: Entry[] = []
  #next = 0
  #heldUp = false
  #window = 1

  constructor(parts: ReadAheadParts) {
    this.#parts = parts
    this.#wakeup = new Wakeup(parts.clock)
  }

  /** The number of the first window that is asked for after now. */
  get nextWindow(): number {
    return this.#window + 1
  }

  /** True when reading waits because too much is unsettled. */
  get full(): boolean {
    return this.#parts.ledger.bytes >= this.#parts.memoryBytes
  }

  get waiting(): number {
    return this.#queue.length - this.#next
  }

  /** Takes what fits one publish, in order; nothing when there is nothing. */
  take(messages: number, bytes: number): Entry[] {
    if (this.waiting === 0 || messages === 0) return []
    const candidates = this.#queue.slice(this.#next, this.#next + messages)
    const taken = candidates.slice(0, fitting(candidates, messages, bytes))
    this.#next += taken.length
    this.resume()
    if (this.#next * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#next)
      this.#next = 0
    }
    return taken
  }

  /** Looks again at once: somebody waits for a window. */
  wake(): void {
    this.#wakeup.notify()
  }

  /** Goes on when a limit held it up: something was taken or settled. */
  resume(): void {
    if (this.#heldUp) this.#wakeup.notify()
  }

  /** Reads until `signal` aborts. Rejects with the first error of the source. */
  async run(signal: AbortSignal): Promise<void> {
    const { source, ledger, pageRows, batchRows } = this.#parts
    const wake = () => this.#wakeup.notify()
    signal.addEventListener('abort', wake, { once: true })
    let pauseMs = 0
    while (!signal.aborted) {
      // Two calls ahead keep the publisher busy; more would only be carried through garbage collections.
      this.#heldUp = this.full || this.waiting >= 2 * batchRows
      if (this.#heldUp) {
        await this.#wakeup.wait(1_000)
        continue
      }
      const page = await this.#endable(signal, () => source.read())
      if (page === null) break
      const { entries } = page
      for (const entry of entries) this.assign(entry)
      // Progress is kept call by call, not only page by page: what a kill sends twice stays small.
      let from = 0
      for (; entries.length - from > batchRows; from += batchRows) {
        const part = entries.slice(from, from + batchRows)
        ledger.open(part, page.within(part.at(-1)?.position as number), 0)
      }
      ledger.open(entries.slice(from), page.after, page.windowDone ? this.#window : 0)
      if (page.windowDone) this.#window++
      for (const entry of entries) this.#queue.push(entry)
      this.#parts.onRead(entries.length)
      if (page.due) await this.#endable(signal, () => this.#parts.moveDue())
      pauseMs = page.due || !page.windowDone ? 0 : nextPauseMs(pauseMs, entries.length, pageRows)
      if (pauseMs > 0) await this.#wakeup.wait(pauseMs)
    }
    signal.removeEventListener('abort', wake)
  }

  /** The session is cut at the end, so that a long statement holds nothing up: null then. */
  async #endable<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | null> {
    try {
      return await work()
    } catch (error) {
      if (signal.aborted) return null
      throw error
    }
  }

  /** Finds the partition of a message whose topic is known. */
  assign(entry: Entry): void {
    if (entry.assigned) return
    const partitions = this.#parts.partitions.known(entry.topic)
    if (partitions !== undefined) entry.assign(partitions)
  }
}
