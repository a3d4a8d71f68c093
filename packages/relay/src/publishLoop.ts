import type { ErrorCode } from '@oncebox/core'
import type { Publisher } from '@oncebox/transport'
import { Backlog, isStuck } from './backlog.js'
import { backoffMs, publishBackoff } from './backoff.js'
import { deliver } from './delivery.js'
import { type Entry, keyOf } from './entry.js'
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
    const room = settings.batchMessages - again.length
    const taken = reader.take(room, settings.batchBytes)
    const clear = this.#backlog.size === 0 && sideTrack.groups.size === 0
    const fresh = clear
      ? allToSend(taken)
      : planFresh(taken, {
          isFailing: (group) => this.#backlog.has(group),
          isParked: (entry) => sideTrack.groups.covers(entry),
        })
    for (const entry of fresh.hold) this.#backlog.hold(entry)
    await this.#joinParked(fresh.park)
    const call = again.length === 0 ? fresh.send : [...again, ...fresh.send]
    if (call.length > 0) await this.#publish(call)
    return call.length + fresh.hold.length + fresh.park.length > 0
  }

  #takeAgain(): Entry[] {
    if (this.#backlog.size === 0) return []
    const { settings, sideTrack } = this.#parts
    const now = this.#callsWithoutAck > 0 ? Number.POSITIVE_INFINITY : settings.clock.now()
    const again: Entry[] = []
    let bytes = 0
    for (const group of this.#backlog.due(now)) {
      if (again.length >= settings.batchMessages || bytes >= settings.batchBytes) break
      if (group.entries[0] !== undefined && sideTrack.groups.covers(group.entries[0])) continue
      const limit = fitting(
        group.entries,
        settings.batchMessages - again.length,
        Math.max(1, settings.batchBytes - bytes),
      )
      for (const entry of this.#backlog.take(group, limit)) {
        again.push(entry)
        bytes += entry.bytes
      }
    }
    return again
  }

  async #publish(call: readonly Entry[]): Promise<void> {
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
    if (this.#backlog.size > 0) {
      const failing = new Set(sorted.again.map((failure) => failure.entries[0]?.group))
      for (const { group } of call) if (!failing.has(group)) this.#backlog.recovered(group, now)
    }
    this.#parts.onSettled()
  }

  /** Moves refused messages aside, and with them everything of their keys that waits in memory. */
  async #park(entries: readonly Entry[], code: ErrorCode): Promise<void> {
    const first = entries[0] as Entry
    const { sideTrack } = this.#parts
    const scope = sideTrack.open(first.topic, keyOf(first), code)
    await this.#moveAside(entries, code)
    if (scope.kind === 'keyless') return
    const behind = isTopicWide(code)
      ? this.#backlog.groups().filter((group) => group.topic === first.topic)
      : this.#backlog.groups().filter((group) => group.group === first.group)
    for (const group of behind) await this.#moveAside(this.#backlog.remove(group.group), code)
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
    for (const group of this.#backlog.groups()) {
      if (!isStuck(group, state)) continue
      const [first] = group.entries
      if (first === undefined) continue
      this.#parts.sideTrack.open(first.topic, keyOf(first), group.code)
      await this.#moveAside(this.#backlog.remove(group.group), group.code)
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
