import type { Entry } from './entry.js'
import type { Progress } from './progress.js'

/** Messages handed out together. */
export interface LedgerPage {
  unsettled: number
  after: Progress
  /** The newest window that ends with this page, 0 when none does. */
  window: number
}

/**
 * Keeps account of pages handed out and messages settled (acked, or copied to the side track), and says how far the lane
 * got: to the end of the pages before the first one with an unsettled message.
 */
export class Ledger {
  readonly #pages: LedgerPage[] = []
  #progress: Progress
  #bytes = 0
  #count = 0
  #settledWindow = 0
  #dirty = false

  constructor(progress: Progress) {
    this.#progress = progress
  }

  /** Everything up to here is settled. */
  get progress(): Progress {
    return this.#progress
  }

  /** Bytes of messages that are not settled. */
  get bytes(): number {
    return this.#bytes
  }

  /** Messages that are not settled. */
  get count(): number {
    return this.#count
  }

  /** The newest window of which everything is settled, as numbered by the reader. */
  get settledWindow(): number {
    return this.#settledWindow
  }

  /** True when `takeDirty` would be. */
  get hasMoved(): boolean {
    return this.#dirty
  }

  /** True when messages were settled since the last `takeDirty`: snapshots alone move on without being written down. */
  takeDirty(): boolean {
    const dirty = this.#dirty
    this.#dirty = false
    return dirty
  }

  open(entries: readonly Entry[], after: Progress, window: number): void {
    const tail = this.#pages.at(-1)
    if (entries.length === 0 && tail !== undefined) {
      // Nothing was handed out since the tail: where it ends, this ends.
      tail.after = after
      tail.window = Math.max(tail.window, window)
      return
    }
    const page = { unsettled: entries.length, after, window }
    for (const entry of entries) {
      entry.page = page
      this.#bytes += entry.bytes
    }
    this.#count += entries.length
    this.#pages.push(page)
    this.#advance()
  }

  settle(entry: Entry): void {
    const { page } = entry
    if (page === null) return
    entry.page = null
    this.#count--
    this.#bytes -= entry.bytes
    page.unsettled--
    if (page.unsettled === 0 && page === this.#pages[0]) {
      this.#dirty = true
      this.#advance()
    }
  }

  #advance(): void {
    while (this.#pages[0]?.unsettled === 0) {
      const page = this.#pages.shift() as LedgerPage
      this.#progress = page.after
      this.#settledWindow = Math.max(this.#settledWindow, page.window)
    }
  }
}
