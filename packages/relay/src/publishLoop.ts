import type { ErrorCode } from '@oncebox/core'
import type { Publisher } from '@oncebox/transport'
import { Backlog, couldBeAlone, isStuck, type TakenAgain } from './backlog.js'
import { backoffMs, publishBackoff } from './backoff.js'
import { deliver } from './delivery.js'
import type { Entry } from './entry.js'
import type { Lease } from './lease.js'
import type { Ledger } from './ledger.js'
import type { Partitions } from './partitions.js'
import { nothingPaused, type Paused, pauseChanges } from './pauses.js'
import { planCall, type Refusal, sortOutcomes, type WaitingState } from './plan.js'
import type { Publications } from './publications.js'
import { publishedEvent } from './publishedEvent.js'
import type { ReadAhead } from './readAhead.js'
import type { RelaySettings } from './settings.js'
import type { SideTrack } from './sideTrack.js'
import { Wakeup } from './wakeup.js'

export interface PublishLoopParts {
  readonly reader: ReadAhead
  readonly ledger: Ledger
  readonly publisher: Publisher
  readonly partitions: Partitions
  readonly sideTrack: SideTrack
  /** What is written down of what was acknowledged. */
  readonly publications: Publications
  readonly lease: Lease
  readonly settings: RelaySettings
  /** Called after messages were settled. */
  readonly onSettled: () => void
}

/** Publishes what was read, one call at a time; per key never past a message that was not acked. */
export class PublishLoop {
  readonly #parts: PublishLoopParts
  readonly #backlog = new Backlog()
  readonly #waiting: WaitingState
  readonly #wakeup: Wakeup
  #lastAckAt = Number.NEGATIVE_INFINITY
  /** Calls in a row that brought no acknowledgement at all. */
  #callsWithoutAck = 0
  #paused = nothingPaused
  #pausedNext = nothingPaused

  constructor(parts: PublishLoopParts) {
    this.#parts = parts
    this.#waiting = {
      waitsIn: (entry) => this.#backlog.waitsIn(entry),
      ownUnitOf: (entry) => this.#backlog.ownUnitOf(entry),
      isParked: (entry) => parts.sideTrack.groups.covers(entry),
    }
    this.#wakeup = new Wakeup(parts.settings.clock)
  }

  /** Something was read, `count` messages. With none, only what waits is looked at again. */
  wake(count: number): void {
    if (count > 0 || this.#backlog.size > 0 || this.#parts.sideTrack.groups.size > 0) this.#wakeup.notify()
  }

  /** What is to wait from now on, until the next call of this. Takes effect between two publishes. */
  pause(paused: Paused): void {
    this.#pausedNext = paused
    this.#wakeup.notify()
  }

  /** Publishes until `signal` aborts; a call in flight is finished and accounted for. */
  async run(signal: AbortSignal): Promise<void> {
    const wake = () => this.#wakeup.notify()
    signal.addEventListener('abort', wake, { once: true })
    let everythingDue = false
    while (!signal.aborted) {
      this.#applyPauses()
      if (this.#paused.lane) {
        await this.#wakeup.wait(Number.POSITIVE_INFINITY)
        continue
      }
      await this.#parkStuck()
      const released = await this.#releaseDue()
      if (signal.aborted) return
      const next = await this.#publishNext(everythingDue)
      everythingDue = false
      const { clock, random } = this.#parts.settings
      // What was read and only had to wait behind others says nothing about what comes after it.
      if (next === 'held') continue
      if (this.#callsWithoutAck > 0) {
        // The transport is away as a whole, as far as one can see: everything waits, and is tried together.
        everythingDue = true
        await clock.sleep(backoffMs(publishBackoff, this.#callsWithoutAck, random), signal)
      } else if (next === 'nothing' && !released) {
        const retryAt = Math.min(this.#backlog.nextRetryAt(), this.#parts.sideTrack.groups.nextRetryAt())
        await this.#wakeup.wait(Math.max(1, retryAt - clock.now()))
      }
    }
    signal.removeEventListener('abort', wake)
  }

  /** One call, or none. `held`: of what was read, everything has to wait, behind others or aside. */
  async #publishNext(everythingDue: boolean): Promise<'published' | 'held' | 'nothing'> {
    const { reader, sideTrack, settings } = this.#parts
    const now = settings.clock.now()
    const due = this.#takeDue(everythingDue ? Number.POSITIVE_INFINITY : now)
    const fresh = reader.take(Math.max(1, settings.batchMessages - due.entries.length), settings.batchBytes)
    if (this.#backlog.size === 0 && sideTrack.groups.size === 0) {
      if (fresh.length > 0) await this.#publish(fresh, [])
      return fresh.length > 0 ? 'published' : 'nothing'
    }
    for (const { entry } of due.entries) reader.assign(entry)
    for (const entry of fresh) reader.assign(entry)
    const { send, hold, park, onlyWaits } = planCall({ due: due.entries, fresh }, this.#waiting)
    for (const { entry, unit } of hold) this.#backlog.hold(entry, unit)
    for (const entry of park) sideTrack.add([entry], sideTrack.groups.codeOf(entry))
    if (send.length > 0) await this.#publish(send, due.units)
    else for (const unit of due.units) this.#backlog.recovered(unit, now)
    if (onlyWaits) return 'held'
    return due.units.length > 0 || fresh.length > 0 ? 'published' : 'nothing'
  }

  /** At most half a call is tried again, so that what gets through is never shut out. */
  #takeDue(now: number): TakenAgain {
    const { batchMessages, batchBytes } = this.#parts.settings
    return this.#backlog.takeDue(now, Math.ceil(batchMessages / 2), Math.ceil(batchBytes / 2))
  }

  async #publish(call: readonly Entry[], triedAgain: readonly string[]): Promise<void> {
    const { settings } = this.#parts
    const outcomes = await deliver(call, this.#parts)
    const sorted = sortOutcomes(call, outcomes)
    const now = settings.clock.now()
    if (sorted.acked.length > 0) {
      this.#lastAckAt = now
      this.#parts.publications.add(call, outcomes)
      for (const entry of sorted.acked) this.#parts.ledger.settle(entry)
      settings.onEvent(publishedEvent(settings.lane, sorted.acked, now))
    }
    this.#callsWithoutAck = sorted.acked.length === 0 && sorted.refused.length === 0 ? this.#callsWithoutAck + 1 : 0
    for (const failure of sorted.again) {
      this.#backlog.failed(failure.entries, failure.code, {
        now,
        lastAckAt: this.#lastAckAt,
        pauseMs: (attempts) => backoffMs(publishBackoff, attempts, settings.random),
      })
    }
    this.#reportFailures(sorted.again)
    this.#park(sorted.refused)
    const failing = new Set(sorted.again.map((failure) => failure.entries[0]?.unit))
    for (const unit of triedAgain) if (!failing.has(unit)) this.#backlog.recovered(unit, now)
    this.#parts.onSettled()
  }

  /**
   * Moves refused messages aside, and with them everything of their keys or topics that waits in memory. All that were
   * refused go first: they came before what waits.
   */
  #park(refusals: readonly Refusal[]): void {
    const { sideTrack } = this.#parts
    const scopes = refusals.map(({ entries, code }) => sideTrack.open(entries[0] as Entry, code))
    for (const { entries, code } of refusals) sideTrack.add(entries, code)
    for (const [index, { entries, code }] of refusals.entries()) {
      const { topic, group } = entries[0] as Entry
      if (scopes[index]?.kind === 'topic') this.#moveTopicAside(topic, code)
      else if (scopes[index]?.kind === 'key') sideTrack.add(this.#backlog.extract(topic, group), code)
    }
  }

  #moveTopicAside(topic: string, code: ErrorCode): void {
    for (const unit of this.#backlog.unitsOf(topic)) this.#parts.sideTrack.add(this.#backlog.remove(unit), code)
  }

  /**
   * A topic that is paused goes aside, in order, as if it were missing: cursor and ring move on. A lane that is paused keeps
   * its lease and stays where it is.
   */
  #applyPauses(): void {
    const [before, after] = [this.#paused, this.#pausedNext]
    if (before === after) return
    this.#paused = after
    const { settings, sideTrack } = this.#parts
    const { lane, logger, onEvent } = settings
    const tell = (event: 'paused' | 'resumed', topic: string | null) => {
      logger.info({ lane, topic }, event)
      onEvent({ event, lane, topic })
    }
    const { paused, resumed } = pauseChanges(before, after)
    for (const topic of paused) {
      sideTrack.groups.pause(topic)
      this.#moveTopicAside(topic, 'PAUSED')
      tell('paused', topic)
    }
    // Failures of what has gone aside say nothing any more; as long as they count, nothing would ever be released.
    if (paused.length > 0 && this.#backlog.size === 0) this.#callsWithoutAck = 0
    for (const topic of resumed) {
      sideTrack.groups.resume(topic, settings.clock.now())
      tell('resumed', topic)
    }
    if (before.lane !== after.lane) tell(after.lane ? 'paused' : 'resumed', null)
  }

  async #parkStuck(): Promise<void> {
    if (this.#backlog.size === 0) return
    const { reader, sideTrack, settings } = this.#parts
    const state = {
      now: settings.clock.now(),
      lastAckAt: this.#lastAckAt,
      parkAfterMs: settings.parkAfterMs,
      // What is on its way to the side track is leaving.
      memoryFull: reader.full && reader.waiting === 0 && sideTrack.settled,
    }
    for (const unit of this.#backlog.units()) {
      const [first] = unit.entries
      if (first === undefined) continue
      if (!isStuck(unit, state) && !(couldBeAlone(unit, state) && (await this.#isReachable(first)))) continue
      const scope = sideTrack.openUnit(first, unit.code)
      if (scope.kind === 'topic') this.#moveTopicAside(first.topic, unit.code)
      else sideTrack.add(this.#backlog.remove(unit.unit), unit.code)
    }
    // What is left to publish has not failed yet.
    if (this.#backlog.size === 0) this.#callsWithoutAck = 0
  }

  /** Whether the transport answers at all, when nothing else is there to be acked. */
  async #isReachable({ topic }: Entry): Promise<boolean> {
    return this.#parts.publisher.partitions(topic).then(
      () => true,
      () => false,
    )
  }

  async #releaseDue(): Promise<boolean> {
    const { sideTrack, settings } = this.#parts
    if (sideTrack.groups.size === 0 || this.#callsWithoutAck > 0) return false
    const due = sideTrack.groups.due(settings.clock.now())
    if (due === undefined) return false
    await sideTrack.release(due)
    return true
  }

  #reportFailures(
    again: readonly { readonly code: ErrorCode; readonly reason: string; readonly entries: Entry[] }[],
  ): void {
    const first = again[0]
    if (first === undefined) return
    const { lane, logger, onEvent } = this.#parts.settings
    const count = again.reduce((sum, { entries }) => sum + entries.length, 0)
    logger.warn({ lane, count, code: first.code, reason: first.reason }, 'a publish was not acknowledged')
    onEvent({ event: 'publish_failed', lane, count, code: first.code })
  }
}
