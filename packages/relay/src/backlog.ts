import type { ErrorCode } from '@oncebox/core'
import type { Entry } from './entry.js'

/** Messages of one group that wait for another try, in order. */
export interface FailingGroup {
  readonly group: string
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

/** What got no acknowledgement, and what came later for the same keys. */
export class Backlog {
  readonly #groups = new Map<string, FailingGroup>()

  get size(): number {
    return this.#groups.size
  }

  has(group: string): boolean {
    return this.#groups.has(group)
  }

  groups(): FailingGroup[] {
    return [...this.#groups.values()]
  }

  /** Groups whose time has come. */
  due(now: number): FailingGroup[] {
    return this.groups().filter((group) => group.retryAt <= now)
  }

  /** The next time at which a group is due; infinity when nothing waits. */
  nextRetryAt(): number {
    let next = Number.POSITIVE_INFINITY
    for (const group of this.#groups.values()) next = Math.min(next, group.retryAt)
    return next
  }

  /** Adds a message behind its group's others. */
  hold(entry: Entry): void {
    const group = this.#groups.get(entry.group)
    if (group === undefined) throw new Error('a message was held for a group that does not wait')
    group.entries.push(entry)
  }

  /** Puts messages that were tried back in front of their group's others. `lastAckAt`: when anything was acked last. */
  failed(
    entries: readonly Entry[],
    code: ErrorCode,
    times: { readonly now: number; readonly lastAckAt: number; readonly pauseMs: (attempts: number) => number },
  ): void {
    const first = entries[0]
    if (first === undefined) return
    const { now, lastAckAt } = times
    const known = this.#groups.get(first.group)
    const attempts = (known?.attempts ?? 0) + 1
    this.#groups.set(first.group, {
      group: first.group,
      topic: first.topic,
      entries: [...entries, ...(known?.entries ?? [])],
      attempts,
      code,
      failingSince: known?.failingSince ?? now,
      failedAt: now,
      retryAt: now + times.pauseMs(attempts),
      aloneSince: known?.aloneSince ?? (lastAckAt >= (known?.failedAt ?? now) ? now : null),
    })
  }

  /** Takes up to `limit` messages of a group out, for another try; the group stays until `failed` or `recovered`. */
  take(group: FailingGroup, limit: number): Entry[] {
    return group.entries.splice(0, limit)
  }

  /** What was tried was acked: the group is free again once nothing of it waits. */
  recovered(name: string, now: number): void {
    const group = this.#groups.get(name)
    if (group === undefined) return
    if (group.entries.length === 0) this.#groups.delete(name)
    else group.retryAt = now
  }

  /** Takes a group out with all its messages. */
  remove(name: string): Entry[] {
    const entries = this.#groups.get(name)?.entries ?? []
    this.#groups.delete(name)
    return entries
  }
}

/**
 * Whether a failing group is moved aside, so that cursor and ring move on. Pure.
 *
 * It is when it keeps failing while others are acked, past the limit or once memory is full; and when memory is full of
 * what has failed past the limit, so that others cannot even be read. While the transport cannot be reached at all,
 * everything waits where it is.
 */
export function isStuck(
  group: Pick<FailingGroup, 'attempts' | 'code' | 'failingSince' | 'failedAt' | 'aloneSince'>,
  state: {
    readonly now: number
    readonly lastAckAt: number
    readonly parkAfterMs: number
    readonly memoryFull: boolean
  },
): boolean {
  if (group.attempts < 2) return false
  if (group.aloneSince !== null) return state.memoryFull || state.now - group.aloneSince >= state.parkAfterMs
  const isNewest = group.failedAt > state.lastAckAt && group.code !== 'TRANSPORT_UNREACHABLE'
  return state.memoryFull && isNewest && state.now - group.failingSince >= state.parkAfterMs
}
