import type { ErrorCode } from '@oncebox/core'
import { type Entry, unresolvedUnit } from './entry.js'

/** Messages of one unit that wait for another try, in order. */
export interface FailingUnit {
  readonly unit: string
  readonly topic: string
  entries: Entry[]
  attempts: number
  code: ErrorCode
  /** Times in milliseconds, by the relay's clock: of the first failure, of the last one, of the next try. */
  readonly failingSince: number
  readonly failedAt: number
  retryAt: number
  /** When it first failed although others were acked since its try before; null while that did not happen. */
  readonly aloneSince: number | null
}

/** What got no acknowledgement, and what came later for the same units. */
export class Backlog {
  readonly #units = new Map<string, FailingUnit>()

  get size(): number {
    return this.#units.size
  }

  /** The unit that a message has to wait in, behind others; undefined when it need not. */
  waitsIn(entry: Pick<Entry, 'topic' | 'unit'>): string | undefined {
    const unresolved = unresolvedUnit(entry.topic)
    if (this.#units.has(unresolved)) return unresolved
    const { unit } = entry
    return this.#units.has(unit) ? unit : undefined
  }

  units(): FailingUnit[] {
    return [...this.#units.values()]
  }

  /** Units whose time has come. */
  due(now: number): FailingUnit[] {
    return this.units().filter((unit) => unit.retryAt <= now)
  }

  /** The next time at which a unit is due; infinity when nothing waits. */
  nextRetryAt(): number {
    let next = Number.POSITIVE_INFINITY
    for (const unit of this.#units.values()) next = Math.min(next, unit.retryAt)
    return next
  }

  /** Adds a message behind the others of a unit. */
  hold(entry: Entry, name: string): void {
    const unit = this.#units.get(name)
    if (unit === undefined) throw new Error('a message was held for a unit that does not wait')
    unit.entries.push(entry)
  }

  /** Puts messages that were tried back in front of their unit's others. `lastAckAt`: when anything was acked last. */
  failed(
    entries: readonly Entry[],
    code: ErrorCode,
    times: { readonly now: number; readonly lastAckAt: number; readonly pauseMs: (attempts: number) => number },
  ): void {
    const first = entries[0]
    if (first === undefined) return
    const { now, lastAckAt } = times
    const { unit, topic } = first
    const known = this.#units.get(unit)
    const attempts = (known?.attempts ?? 0) + 1
    this.#units.set(unit, {
      unit,
      topic,
      entries: [...entries, ...(known?.entries ?? [])],
      attempts,
      code,
      failingSince: known?.failingSince ?? now,
      failedAt: now,
      retryAt: now + times.pauseMs(attempts),
      aloneSince: known?.aloneSince ?? (lastAckAt >= (known?.failedAt ?? now) ? now : null),
    })
  }

  /** Takes up to `limit` messages of a unit out, for another try; the unit stays until `failed` or `recovered`. */
  take(unit: FailingUnit, limit: number): Entry[] {
    return unit.entries.splice(0, limit)
  }

  /** What was tried was acked: the unit is free again once nothing of it waits. */
  recovered(name: string, now: number): void {
    const unit = this.#units.get(name)
    if (unit === undefined) return
    if (unit.entries.length === 0) this.#units.delete(name)
    else unit.retryAt = now
  }

  /** Takes a unit out with all its messages. */
  remove(name: string): Entry[] {
    const entries = this.#units.get(name)?.entries ?? []
    this.#units.delete(name)
    return entries
  }

  /** Takes the messages of one group out of the units they wait in. */
  extract(topic: string, group: string): Entry[] {
    const extracted: Entry[] = []
    for (const unit of this.#units.values()) {
      if (unit.topic !== topic) continue
      const kept = unit.entries.filter((entry) => entry.group !== group)
      if (kept.length === unit.entries.length) continue
      extracted.push(...unit.entries.filter((entry) => entry.group === group))
      unit.entries = kept
    }
    return extracted
  }
}

/**
 * Whether a failing unit is moved aside, so that cursor and ring move on. Pure.
 *
 * It is when it keeps failing while others are acked, past the limit or once memory is full; and when memory is full of
 * what has failed past the limit, so that others cannot even be read. While the transport cannot be reached at all,
 * everything waits where it is.
 */
export function isStuck(
  unit: Pick<FailingUnit, 'attempts' | 'code' | 'failingSince' | 'failedAt' | 'aloneSince'>,
  state: {
    readonly now: number
    readonly lastAckAt: number
    readonly parkAfterMs: number
    readonly memoryFull: boolean
  },
): boolean {
  if (unit.attempts < 2) return false
  if (unit.aloneSince !== null) return state.memoryFull || state.now - unit.aloneSince >= state.parkAfterMs
  const isNewest = unit.failedAt > state.lastAckAt && unit.code !== 'TRANSPORT_UNREACHABLE'
  return state.memoryFull && isNewest && state.now - unit.failingSince >= state.parkAfterMs
}
