import { type Entry, RowEntry } from './entry.js'
import type { OnRow } from './rowTap.js'
import type { Templates } from './template.js'

export interface PageLimits {
  readonly rows: number
  /** On the wire. */
  readonly bytes: number
}

/** Behind the number of columns (2 bytes) stands the header, or the length of a NULL in its place (4 bytes). */
const headerAt = 6

/**
 * Collects the rows of a statement whose first column is a header, NULL in every row of the outbox: up to `bytes`, at
 * least one. What comes after is left for a later page.
 */
export class PageReader {
  readonly entries: Entry[] = []
  header: Buffer | undefined
  readonly #limits: PageLimits
  readonly #templates: Templates
  #count = 0
  #bytes = 0

  constructor(limits: PageLimits, templates: Templates) {
    this.#limits = limits
    this.#templates = templates
  }

  readonly onRow: OnRow = (bytes, start, end) => {
    const headerLength = bytes.readInt32BE(start + 2)
    if (headerLength >= 0) {
      this.header = bytes.subarray(start + headerAt, start + headerAt + headerLength)
      return
    }
    this.#count++
    if (this.#count > 1 && this.#bytes >= this.#limits.bytes) return
    this.#bytes += end - start
    this.entries.push(new RowEntry(bytes, start + headerAt, end, this.#templates))
  }

  /** True when as many rows came as were asked for. */
  get full(): boolean {
    return this.#count >= this.#limits.rows
  }

  /** True when rows may be left: as many came as were asked for, or bytes ran out. */
  get cut(): boolean {
    return this.full || this.entries.length < this.#count
  }

  /** What a row is taken to be from now on. The estimate rises at once and falls slowly: too large a page is the danger. */
  rowBytesAfter(before: number): number {
    return this.entries.length === 0 ? before : Math.max(this.#bytes / this.entries.length, before / 2)
  }
}

/** What a row is taken to be before any was seen, in bytes. */
export const firstRowBytes = 8_000
const fewestRows = 16

/**
 * As many rows as fit a page if they are like those before. Only the server knows what is to come, and a sum over the
 * rows there costs more than reading them; so a page of much larger rows is cut here, and the rest of it read again. Pure.
 */
export function rowsToAskFor(rowBytes: number, limits: PageLimits): number {
  return Math.min(limits.rows, Math.max(fewestRows, Math.ceil(limits.bytes / rowBytes)))
}
