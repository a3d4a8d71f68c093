import type { Tables } from '@oncebox/schema'
import type { Progress } from './progress.js'
import type { Session } from './session.js'
import type { Source, SourcePage } from './source.js'
import { type LaneShare, pageStatement, readWindow, type WindowResult, windowStatement } from './windowQuery.js'

export interface PollingSourceOptions {
  /** Opened with `windowSessionSettings`; nothing else may run on it inside a transaction. */
  readonly session: Session
  readonly tables: Tables
  readonly share: LaneShare
  /** Where to begin. */
  readonly progress: Progress
  readonly pageRows: number
  readonly pageBytes: number
}

/** Windows after PgQ: each holds what its own snapshot sees and the last one did not. */
export class PollingSource implements Source {
  readonly #session: Session
  readonly #limits: readonly [rows: number, bytes: number]
  readonly #window: string
  readonly #page: string
  #progress: Progress

  constructor(options: PollingSourceOptions) {
    this.#session = options.session
    this.#limits = [options.pageRows, options.pageBytes]
    this.#window = windowStatement(options.tables, options.share)
    this.#page = pageStatement(options.tables, options.share)
    this.#progress = options.progress
  }

  async read(): Promise<SourcePage> {
    const { last, page } = this.#progress
    const result =
      page === null
        ? await this.#session.rows(this.#window, [last, ...this.#limits], 'oncebox_window')
        : await this.#session.rows(this.#page, [last, ...this.#limits, page.upper, page.position], 'oncebox_page')
    const read = readWindow(result)
    this.#progress = progressAfter(this.#progress, read, this.#limits[0])
    const upper = page?.upper ?? read.snapshot
    return {
      rows: read.rows,
      after: this.#progress,
      within: (position) => ({ last, page: { upper, position } }),
      windowDone: this.#progress.page === null,
      due: read.due,
    }
  }
}

/**
 * Where a lane stands after a page. Cut by a limit, `last` stays and the window goes on below the snapshot of its first
 * statement; otherwise that snapshot becomes `last`. Pure.
 */
export function progressAfter(before: Progress, read: WindowResult, pageRows: number): Progress {
  const upper = before.page?.upper ?? read.snapshot
  const cut = read.count >= pageRows || read.rows.length < read.count
  const lastRow = read.rows.at(-1)
  if (!cut || lastRow === undefined) return { last: upper, page: null }
  return { last: before.last, page: { upper, position: lastRow.position } }
}
