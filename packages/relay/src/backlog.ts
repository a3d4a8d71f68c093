import type { ErrorCode } from '@oncebox/core'
import { type Entry, unresolvedUnit } from './entry.js'
import { fitting } from './plan.js'

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

/** What is tried again: names of units, and messages with the name of the unit they waited in. */
export interface TakenAgain {
  readonly units: readonly string[]
  readonly entries: readonly { readonly entry: Entry; readonly unit: string }[]
}

/** What got no acknowledgement, and what came later for the same units. */
export class Backlog {
  readonly #units = new Map<string, FailingUnit>()

  get size(): number {
    return this.#units.size
  }

  /** The unit that a message has to wait in, behind others; undefined when it need not. */
  waitsIn(entry: Pick<Entry, 'topic' | 'unit'>): string | undefined {
    if (this.#units.size === 0) return undefined
    const unresolved = unresolvedUnit(entry.topic)
    if (this.#units.has(unresolved)) return unresolved
    const { unit } = entry
    return this.#units.has(unit) ? unit : undefined
  }

  /** The same for a message whose partition was found while it waited for its topic: what waits there is behind it. */
  ownUnitOf({ unit }: Pick<Entry, 'unit'>): string | undefined {
    return this.#units.has(unit) ? unit : undefined
  }

  /** Names of a topic's units; that of messages whose partition is not known comes last, as they came after the others. */
  unitsOf(topic: string): string[] {
    const last = unresolvedUnit(topic)
    const names = this.units().flatMap((unit) => (unit.topic === topic && unit.unit !== last ? [unit.unit] : []))
    return this.#units.has(last) ? [...names, last] : names
  }

  units(): FailingUnit[] {
    return [...this.#units.values()]
  }

  /** Units whose time has come; the one that was tried longest ago first, so that they take turns. */
  due(now: number): FailingUnit[] {
    if (this.#units.size === 0) return []
    return this.units()
      .filter((unit) => unit.retryAt <= now)
      .sort((one, other) => one.failedAt - other.failedAt)
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
    entry.detach()
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
    for (const entry of entries) entry.detach()
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

  /**
   * Takes messages of units whose time has come out for another try, within both limits, at least one where there is one.
   * Their units stay until `failed` or `recovered`.
   */
  takeDue(now: number, messages: number, bytes: number): TakenAgain {
    const units: string[] = []
    const entries: { entry: Entry; unit: string }[] = []
    let taken = 0
    for (const due of this.due(now)) {
      if (entries.length >= messages || taken >= bytes) break
      const count = fitting(due.entries, messages - entries.length, bytes - taken)
      units.push(due.unit)
      for (const entry of due.entries.splice(0, count)) {
        entries.push({ entry, unit: due.unit })
        taken += entry.bytes
      }
    }
    return { units, entries }
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

/**
 * Whether a unit whose transport "cannot be reached" may be the only one: memory is full of what fails, so that nothing
 * else is left that could be acked. Then only the transport itself can tell. Pure.
 */
export function couldBeAlone(
  unit: Pick<FailingUnit, 'attempts' | 'failingSince'>,
  state: { readonly now: number; readonly parkAfterMs: number; readonly memoryFull: boolean },
): boolean {
  return unit.attempts >= 2 && state.memoryFull && state.now - unit.failingSince >= state.parkAfterMs
}
