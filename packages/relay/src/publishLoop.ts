import type { ErrorCode } from '@oncebox/core'
import type { Publisher } from '@oncebox/transport'
import { Backlog, isStuck } from './backlog.js'
import { backoffMs, publishBackoff } from './backoff.js'
import { deliver } from './delivery.js'
import type { Entry } from './entry.js'
import type { Lease } from './lease.js'
import type { Ledger } from './ledger.js'
import { isTopicWide } from './parkedGroups.js'
import type { Partitions } from './partitions.js'
import { allToSend, fitting, planFresh, sortOutcomes } from './plan.js'
import type { Publications } from './publications.js'
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
  readonly #wakeup: Wakeup
  #lastAckAt = Number.NEGATIVE_INFINITY
  /** Calls in a row that brought no acknowledgement at all. */
  #callsWithoutAck = 0

  constructor(parts: PublishLoopParts) {
    this.#parts = parts
    this.#wakeup = new Wakeup(parts.settings.clock)
  }

  wake(): void {
    this.#wakeup.notify()
  }

  /** Publishes until `signal` aborts; a call in flight is finished and accounted for. */
  async run(signal: AbortSignal): Promise<void> {
    const wake = () => this.#wakeup.notify()
    signal.addEventListener('abort', wake, { once: true })
    while (!signal.aborted) {
      await this.#parkStuck()
      const released = await this.#releaseDue()
      if (signal.aborted) return
      const sent = await this.#publishNext()
      const { clock, random } = this.#parts.settings
      if (this.#callsWithoutAck > 0) {
        // The transport is away as a whole: everything waits, and is tried together.
        await clock.sleep(backoffMs(publishBackoff, this.#callsWithoutAck, random), signal)
      } else if (!sent && !released) {
        const next = Math.min(this.#backlog.nextRetryAt(), this.#parts.sideTrack.groups.nextRetryAt())
        await this.#wakeup.wait(Math.max(1, next - clock.now()))
      }
    }
    signal.removeEventListener('abort', wake)
  }

  /** True when something was done. */
  async #publishNext(): Promise<boolean> {
    const { reader, sideTrack, settings } = this.#parts
    const again = this.#takeAgain()
    const room = settings.batchMessages - again.send.length - again.replanned.length
    const taken = [...again.replanned, ...reader.take(room, settings.batchBytes)]
    const clear = this.#backlog.size === 0 && sideTrack.groups.size === 0
    if (!clear) for (const entry of taken) reader.assign(entry)
    const fresh = clear
      ? allToSend(taken)
      : planFresh(taken, {
          waitsIn: (entry) => this.#backlog.waitsIn(entry),
          isParked: (entry) => sideTrack.groups.covers(entry),
        })
    for (const { entry, unit } of fresh.hold) this.#backlog.hold(entry, unit)
    await this.#joinParked(fresh.park)
    const call = again.send.length === 0 ? fresh.send : [...again.send, ...fresh.send]
    if (call.length > 0) await this.#publish(call, again.units)
    else for (const unit of again.units) this.#backlog.recovered(unit, settings.clock.now())
    return call.length + fresh.hold.length + fresh.park.length > 0
  }

  /** What is due for another try; what waited for its topic to be known is planned like fresh messages. */
  #takeAgain(): { readonly send: Entry[]; readonly replanned: Entry[]; readonly units: readonly string[] } {
    const taken = { send: [] as Entry[], replanned: [] as Entry[], units: [] as string[] }
    if (this.#backlog.size === 0) return taken
    const { settings, sideTrack } = this.#parts
    const now = this.#callsWithoutAck > 0 ? Number.POSITIVE_INFINITY : settings.clock.now()
    let messages = 0
    let bytes = 0
    for (const unit of this.#backlog.due(now)) {
      if (messages >= settings.batchMessages || bytes >= settings.batchBytes) break
      if (unit.entries[0] !== undefined && sideTrack.groups.covers(unit.entries[0])) continue
      const room = Math.max(1, settings.batchBytes - bytes)
      taken.units.push(unit.unit)
      for (const entry of this.#backlog.take(unit, fitting(unit.entries, settings.batchMessages - messages, room))) {
        this.#parts.reader.assign(entry)
        if (entry.unit === unit.unit) taken.send.push(entry)
        else taken.replanned.push(entry)
        messages++
        bytes += entry.bytes
      }
    }
    return taken
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
      settings.onEvent({ event: 'published', lane: settings.lane, count: sorted.acked.length })
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
    for (const refusal of sorted.refused) await this.#park(refusal.entries, refusal.code)
    const failing = new Set(sorted.again.map((failure) => failure.entries[0]?.unit))
    for (const unit of triedAgain) if (!failing.has(unit)) this.#backlog.recovered(unit, now)
    this.#parts.onSettled()
  }

  /** Moves refused messages aside, and with them everything of their keys that waits in memory. */
  async #park(entries: readonly Entry[], code: ErrorCode): Promise<void> {
    const first = entries[0] as Entry
    const { sideTrack } = this.#parts
    const scope = sideTrack.open(first, code)
    await this.#moveAside(entries, code)
    if (scope.kind === 'keyless') return
    if (!isTopicWide(code)) return this.#moveAside(this.#backlog.extract(first.topic, first.group), code)
    const behind = this.#backlog.units().filter(({ topic }) => topic === first.topic)
    for (const { unit } of behind) await this.#moveAside(this.#backlog.remove(unit), code)
  }

  async #joinParked(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return
    const { groups } = this.#parts.sideTrack
    const byCode = new Map<ErrorCode, Entry[]>()
    for (const entry of entries) {
      const code = groups.codeOf(entry)
      const same = byCode.get(code)
      if (same === undefined) byCode.set(code, [entry])
      else same.push(entry)
    }
    for (const [code, same] of byCode) await this.#moveAside(same, code)
    this.#parts.onSettled()
  }

  async #moveAside(entries: readonly Entry[], code: ErrorCode): Promise<void> {
    await this.#parts.sideTrack.add(entries, code)
    for (const entry of entries) this.#parts.ledger.settle(entry)
  }

  async #parkStuck(): Promise<void> {
    if (this.#backlog.size === 0) return
    const { reader, settings } = this.#parts
    const state = {
      now: settings.clock.now(),
      lastAckAt: this.#lastAckAt,
      parkAfterMs: settings.parkAfterMs,
      memoryFull: reader.full && reader.waiting === 0,
    }
    for (const unit of this.#backlog.units()) {
      if (!isStuck(unit, state)) continue
      const [first] = unit.entries
      if (first === undefined) continue
      this.#parts.sideTrack.openUnit(first, unit.code)
      await this.#moveAside(this.#backlog.remove(unit.unit), unit.code)
      this.#parts.onSettled()
    }
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
