import type { Tables } from '@oncebox/schema'
import { firstRowBytes, PageReader, rowsToAskFor } from './pageReader.js'
import type { Progress } from './progress.js'
import type { Session } from './session.js'
import type { Source, SourcePage } from './source.js'
import { Templates } from './template.js'
import {
  type LaneShare,
  pageStatement,
  probeStatement,
  type WindowResult,
  windowResult,
  windowStatement,
} from './windowQuery.js'

export interface PollingSourceOptions {
  /** Opened with `windowSessionSettings`; nothing else may run on it inside a transaction. */
  readonly session: Pick<Session, 'wireRows'>
  readonly tables: Tables
  readonly share: LaneShare
  /** Where to begin. */
  readonly progress: Progress
  readonly pageRows: number
  readonly pageBytes: number
}

/** Windows after PgQ: each holds what its own snapshot sees and the last one did not. */
export class PollingSource implements Source {
  readonly #options: PollingSourceOptions
  readonly #window: string
  readonly #page: string
  readonly #probe: string
  readonly #templates = new Templates()
  #progress: Progress
  #rowBytes = firstRowBytes
  /** The last look found the snapshot of the one before: nobody writes anything, anywhere in the cluster. */
  #quiet = false

  constructor(options: PollingSourceOptions) {
    this.#options = options
    this.#window = windowStatement(options.tables, options.share)
    this.#page = pageStatement(options.tables, options.share)
    this.#probe = probeStatement(options.tables)
    this.#progress = options.progress
  }

  async read(): Promise<SourcePage> {
    const { session, pageRows, pageBytes } = this.#options
    const { last, page } = this.#progress
    if (this.#quiet && page === null) {
      const { snapshot, due } = await this.#look()
      if (snapshot === last) return this.#nothing(due)
    }
    const rows = rowsToAskFor(this.#rowBytes, { rows: pageRows, bytes: pageBytes })
    const reader = new PageReader({ rows, bytes: pageBytes }, this.#templates)
    if (page === null) await session.wireRows(this.#window, [last, rows], 'oncebox_window', reader.onRow)
    else await session.wireRows(this.#page, [last, rows, page.upper, page.position], 'oncebox_page', reader.onRow)
    const read = windowResult(reader)
    this.#rowBytes = reader.rowBytesAfter(this.#rowBytes)
    this.#progress = progressAfter(this.#progress, read)
    this.#quiet = page === null && read.snapshot === last
    const upper = page?.upper ?? read.snapshot
    return {
      entries: read.entries,
      after: this.#progress,
      within: (position) => ({ last, page: { upper, position: String(position) } }),
      windowDone: this.#progress.page === null,
      due: read.due,
    }
  }

  async #look(): Promise<WindowResult> {
    const reader = new PageReader({ rows: 1, bytes: 1 }, this.#templates)
    await this.#options.session.wireRows(this.#probe, [], 'oncebox_probe', reader.onRow)
    return windowResult(reader)
  }

  #nothing(due: boolean): SourcePage {
    const progress = this.#progress
    return { entries: [], after: progress, within: () => progress, windowDone: true, due }
  }
}

/**
 * Where a lane stands after a page. Cut by a limit, `last` stays and the window goes on below the snapshot of its first
 * statement; otherwise that snapshot becomes `last`. Pure.
 */
export function progressAfter(
  before: Progress,
  read: Pick<WindowResult, 'snapshot' | 'cut'> & { readonly entries: readonly { readonly position: number }[] },
): Progress {
  const upper = before.page?.upper ?? read.snapshot
  const lastEntry = read.entries.at(-1)
  if (!read.cut || lastEntry === undefined) return { last: upper, page: null }
  return { last: before.last, page: { upper, position: String(lastEntry.position) } }
}
