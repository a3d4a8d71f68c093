import { insertPublications, publicationsParameter, type Tables } from '@oncebox/schema'
import { leaseLost, persist, renew } from './cursor.js'
import type { Lease } from './lease.js'
import type { Ledger } from './ledger.js'
import type { Progress } from './progress.js'
import type { Publications } from './publications.js'
import type { Session } from './session.js'
import type { RelaySettings } from './settings.js'
import { Wakeup } from './wakeup.js'

/** Progress is written at most 20 times a second: each write leaves an old version of the row behind. */
const shortestIntervalMs = 50

export interface CursorKeeperParts {
  /** Commits asynchronously: a crash takes progress back, never more. */
  readonly session: Session
  readonly tables: Tables
  readonly lease: Lease
  readonly ledger: Ledger
  readonly publications: Publications
  readonly settings: RelaySettings
}

/** Writes progress down while there is some, and keeps the lease alive while there is none. */
export class CursorKeeper {
  readonly #parts: CursorKeeperParts
  readonly #wakeup: Wakeup

  constructor(parts: CursorKeeperParts) {
    this.#parts = parts
    this.#wakeup = new Wakeup(parts.settings.clock)
  }

  /** There is progress to write. */
  wake(): void {
    this.#wakeup.notify()
  }

  /** Keeps on until `signal` aborts. @throws OnceboxError `LEASE_LOST` when another relay holds the lane. */
  async run(signal: AbortSignal): Promise<void> {
    const { settings } = this.#parts
    const wake = () => this.#wakeup.notify()
    signal.addEventListener('abort', wake, { once: true })
    while (!signal.aborted) {
      await this.#wakeup.wait(settings.leaseMs / 3)
      if (signal.aborted) break
      await this.#writeAll()
      await settings.clock.sleep(shortestIntervalMs, signal)
    }
    signal.removeEventListener('abort', wake)
  }

  /** Writes what is not written yet. */
  async finish(): Promise<void> {
    const { ledger, publications } = this.#parts
    if (!publications.empty || ledger.hasMoved) await this.#writeAll()
  }

  /**
   * Publications first, and the progress as it was before them: what the cursor has passed is written down. More may be
   * settled while they are written.
   */
  async #writeAll(): Promise<void> {
    const { session, tables, ledger, publications } = this.#parts
    const progress = ledger.takeDirty() ? ledger.progress : null
    if (!publications.empty) {
      const batches = publicationsParameter(publications.take())
      await session.rows(insertPublications(tables), [batches], 'oncebox_publications')
    }
    await this.#write(progress)
  }

  async #write(progress: Progress | null): Promise<void> {
    const { session, tables, lease, settings } = this.#parts
    const signOfLife = settings.monotonicMs()
    const held =
      progress === null
        ? await renew(session, tables, lease, settings.leaseMs)
        : await persist(session, tables, lease, progress, settings.leaseMs)
    if (!held) throw leaseLost(lease)
    lease.renewed(signOfLife)
  }
}
