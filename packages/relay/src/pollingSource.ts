import type { Tables } from '@oncebox/schema'
import { firstRowBytes, type PageLimits, PageReader, rowsToAskFor } from './pageReader.js'
import type { Progress } from './progress.js'
import type { Session } from './session.js'
import type { Source, SourcePage } from './source.js'
import { Templates } from './template.js'
import {
  type LaneShare,
  locateStatement,
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

/**
 * A look that finds another snapshot comes on top of its window, so looks begin when they are likely to find none: where
 * somebody writes now and then, there are a tenth more statements at most.
 */
const quietWindows = 10

/** By the names they are prepared under. */
type Statements = Readonly<Record<'oncebox_window' | 'oncebox_locate' | 'oncebox_page' | 'oncebox_probe', string>>

/** Windows after PgQ: each holds what its own snapshot sees and the last one did not. */
export class PollingSource implements Source {
  readonly #options: PollingSourceOptions
  readonly #statements: Statements
  readonly #templates = new Templates()
  #progress: Progress
  #rowBytes = firstRowBytes
  /** Windows in a row that found the snapshot of the one before: nobody writes anything, anywhere in the cluster. */
  #unchanged = 0

  constructor(options: PollingSourceOptions) {
    this.#options = options
    const { tables, share } = options
    this.#statements = {
      oncebox_window: windowStatement(tables, share),
      oncebox_locate: locateStatement(tables, share),
      oncebox_page: pageStatement(tables, share),
      oncebox_probe: probeStatement(tables),
    }
    this.#progress = options.progress
  }

  async read(): Promise<SourcePage> {
    const { last, page } = this.#progress
    if (page !== null) return this.#readPage(page)
    if (this.#unchanged >= quietWindows) {
      const { snapshot, due } = await this.#ask('oncebox_probe', [], this.#reader({ rows: 1, bytes: 1 }))
      if (snapshot === last) return this.#nothing(due)
    }
    return this.#readWindow()
  }

  /** A window that is larger than a page is looked for anew: where it begins, then page by page. */
  async #readWindow(): Promise<SourcePage> {
    const { last } = this.#progress
    const limits = this.#limits()
    const reader = this.#reader({ ...limits, rows: limits.rows + 1 })
    const read = await this.#ask('oncebox_window', [last, limits.rows + 1], reader)
    this.#rowBytes = reader.rowBytesAfter(this.#rowBytes)
    this.#unchanged = read.snapshot === last ? this.#unchanged + 1 : 0
    if (!reader.full) return this.#handOut(read, read.snapshot)
    const located = await this.#ask('oncebox_locate', [last], this.#reader({ rows: 1, bytes: 1 }))
    const page = { upper: located.snapshot, position: String(BigInt(located.first ?? 1) - 1n) }
    this.#progress = { last, page }
    return this.#readPage(page)
  }

  async #readPage({ upper, position }: NonNullable<Progress['page']>): Promise<SourcePage> {
    const limits = this.#limits()
    const reader = this.#reader(limits)
    const read = await this.#ask('oncebox_page', [this.#progress.last, limits.rows, upper, position], reader)
    this.#rowBytes = reader.rowBytesAfter(this.#rowBytes)
    return this.#handOut(read, upper)
  }

  #handOut(read: WindowResult, upper: string): SourcePage {
    const { last } = this.#progress
    this.#progress = progressAfter(this.#progress, read)
    return {
      entries: read.entries,
      after: this.#progress,
      within: (position) => ({ last, page: { upper, position: String(position) } }),
      windowDone: this.#progress.page === null,
      due: read.due,
    }
  }

  async #ask(name: keyof Statements, values: readonly unknown[], reader: PageReader): Promise<WindowResult> {
    await this.#options.session.wireRows(this.#statements[name], values, name, reader.onRow)
    return windowResult(reader)
  }

  #reader(limits: PageLimits): PageReader {
    return new PageReader(limits, this.#templates)
  }

  #limits(): PageLimits {
    const { pageRows, pageBytes } = this.#options
    return { rows: rowsToAskFor(this.#rowBytes, { rows: pageRows, bytes: pageBytes }), bytes: pageBytes }
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
