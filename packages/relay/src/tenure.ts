import { isOnceboxError } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { Publisher } from '@oncebox/transport'
import { type Acquired, leaseLost, release } from './cursor.js'
import { CursorKeeper } from './cursorKeeper.js'
import { Ledger } from './ledger.js'
import { ParkedTable } from './parked.js'
import { ParkQueue } from './parkQueue.js'
import { Partitions } from './partitions.js'
import { readPaused } from './pauses.js'
import { PollingSource } from './pollingSource.js'
import { Publications } from './publications.js'
import { PublishLoop } from './publishLoop.js'
import { ReadAhead } from './readAhead.js'
import { RingKeeper } from './reclaim.js'
import { moveDue } from './scheduled.js'
import type { Session, SessionPool } from './session.js'
import type { RelaySettings } from './settings.js'
import { SideTrack } from './sideTrack.js'

/** A page feeds so many publishes: each statement over the ring's leaves costs about as much as reading 200 rows. */
const pagesOfBatches = 4

export interface TenureParts {
  readonly pool: SessionPool
  readonly publisher: Publisher
  readonly settings: RelaySettings
  readonly tables: Tables
  readonly acquired: Acquired
  /** Reads windows, in autocommit. */
  readonly windowSession: Session
  /** Writes progress, renewals and the side track; commits asynchronously. */
  readonly cursorSession: Session
}

/** One term of holding a lane, from the lease on. What it keeps in memory dies with it. */
export class Tenure {
  readonly #parts: TenureParts
  readonly #ledger: Ledger
  readonly #reader: ReadAhead
  readonly #loop: PublishLoop
  readonly #keeper: CursorKeeper
  readonly #parkQueue: ParkQueue
  readonly #sideTrack: SideTrack
  readonly #drains: { readonly window: number; readonly done: () => void }[] = []

  constructor(parts: TenureParts) {
    this.#parts = parts
    const { settings, tables, publisher, cursorSession, windowSession } = parts
    const { lease, progress, lanes } = parts.acquired
    const { lane, logger, onEvent, createTopics } = settings
    this.#ledger = new Ledger(progress)
    const partitions = new Partitions({
      session: cursorSession,
      tables,
      publisher,
      createTopics,
      lane,
      logger,
      onEvent,
    })
    const publications = new Publications(lane)
    const table = new ParkedTable(cursorSession, tables, lease)
    this.#parkQueue = new ParkQueue({
      table,
      lease,
      clock: settings.clock,
      onEvent,
      onParked: (entries) => {
        for (const entry of entries) this.#ledger.settle(entry)
        this.#onSettled()
      },
    })
    this.#sideTrack = new SideTrack({
      table,
      queue: this.#parkQueue,
      lease,
      publisher,
      partitions,
      publications,
      settings,
    })
    this.#reader = new ReadAhead({
      source: new PollingSource({
        session: windowSession,
        tables,
        share: { lane, lanes },
        progress,
        pageRows: settings.batchMessages * pagesOfBatches,
        pageBytes: settings.batchBytes,
      }),
      ledger: this.#ledger,
      partitions,
      moveDue: () => this.#moveDue(),
      pageRows: settings.batchMessages * pagesOfBatches,
      batchRows: settings.batchMessages,
      memoryBytes: settings.batchBytes * 4,
      clock: settings.clock,
      onRead: (count) => {
        this.#loop.wake(count)
        this.#settled()
      },
    })
    this.#loop = new PublishLoop({
      reader: this.#reader,
      ledger: this.#ledger,
      publisher,
      partitions,
      sideTrack: this.#sideTrack,
      publications,
      lease,
      settings,
      onSettled: () => this.#onSettled(),
    })
    this.#keeper = new CursorKeeper({
      session: cursorSession,
      tables,
      lease,
      ledger: this.#ledger,
      publications,
      settings,
    })
  }

  /** Calls `done` when everything committed by now is published or moved aside. */
  drain(done: () => void): void {
    this.#drains.push({ window: this.#reader.nextWindow, done })
    this.#reader.wake()
  }

  /**
   * Publishes until `stop` aborts, then writes the progress and gives the lane back. Rejects with the first error,
   * after the publish in flight has ended: the publisher takes one call at a time.
   */
  async run(stop: AbortSignal): Promise<void> {
    const failed = new AbortController()
    const signal = AbortSignal.any([stop, failed.signal])
    signal.addEventListener('abort', () => this.#parts.windowSession.close(), { once: true })
    const loaded = this.#load(signal)
    const working = [this.#reader, this.#loop, this.#parkQueue].map((each) => loaded.then(() => each.run(signal)))
    const watching = [loaded.then(() => this.#watchPauses(signal)), loaded.then(() => this.#maintain(signal))]
    const loops = [this.#keeper.run(signal), ...working, ...watching]
    try {
      await Promise.all(loops)
    } catch (error) {
      failed.abort()
      this.#parts.cursorSession.close()
      await Promise.allSettled(loops)
      throw error
    }
    await this.#parkQueue.flush()
    await this.#keeper.finish()
    await release(this.#parts.cursorSession, this.#parts.tables, this.#parts.acquired.lease)
  }

  /** Learns what waits aside, which may be much: the lease is renewed meanwhile, and a stop cuts it short. */
  async #load(signal: AbortSignal): Promise<void> {
    try {
      await this.#sideTrack.load(this.#parts.windowSession)
      await this.#lookForPauses()
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  #onSettled(): void {
    this.#keeper.wake()
    this.#reader.resume()
    this.#settled()
  }

  #settled(): void {
    for (let index = this.#drains.length - 1; index >= 0; index--) {
      const drain = this.#drains[index]
      if (drain === undefined || drain.window > this.#ledger.settledWindow) continue
      this.#drains.splice(index, 1)
      drain.done()
    }
  }

  async #watchPauses(signal: AbortSignal): Promise<void> {
    const { clock, pauseLookMs } = this.#parts.settings
    for (;;) {
      await clock.sleep(pauseLookMs, signal)
      if (signal.aborted) return
      await this.#lookForPauses()
    }
  }

  async #lookForPauses(): Promise<void> {
    const { cursorSession, tables, settings } = this.#parts
    this.#loop.pause(await readPaused(cursorSession, tables, settings.lane))
  }

  async #moveDue(): Promise<void> {
    const { settings, tables, windowSession, acquired } = this.#parts
    const limits = { messages: settings.batchMessages, bytes: settings.batchBytes }
    const count = await moveDue(windowSession, tables, acquired.lease, limits)
    if (count === null) throw leaseLost(acquired.lease)
    if (count > 0) settings.onEvent({ event: 'due', lane: settings.lane, count })
  }

  /** Looks after the ring now and then; one lane does it for all. A look that fails is no reason to stop publishing. */
  async #maintain(signal: AbortSignal): Promise<void> {
    const { pool, settings, tables, windowSession } = this.#parts
    if (settings.lane !== 0) return
    // A look waits for locked leaves as windows do; on the other session, renewing the lease would wait with it.
    const ring = new RingKeeper({ session: windowSession, pool, tables, settings })
    while (!signal.aborted) {
      try {
        await ring.look()
      } catch (error) {
        if (signal.aborted) return
        const code = isOnceboxError(error) ? error.code : (error as { code?: unknown }).code
        settings.logger.warn({ code }, 'the ring of the outbox could not be looked after')
      }
      await settings.clock.sleep(settings.reclaimEveryMs, signal)
    }
  }
}
