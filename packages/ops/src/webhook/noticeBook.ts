import type { Occurrence } from './notice.js'

/** Occurrences of one kind, put together. */
export interface Notice extends Occurrence {
  /** When the first of them happened: RFC 3339 in UTC. */
  readonly firstAt: string
  /** When the last of them happened: RFC 3339 in UTC. */
  readonly lastAt: string
}

/** What is not yet told: a line for each kind, however often it happened. Bounded. */
export class NoticeBook {
  readonly #notices = new Map<string, Notice>()
  readonly #most: number
  #firstAt = 0

  constructor(most: number) {
    this.#most = most
  }

  get empty(): boolean {
    return this.#notices.size === 0
  }

  /** When the first one of those came, in milliseconds. */
  get firstAt(): number {
    return this.#firstAt
  }

  /** How many occurrences are in it. */
  get count(): number {
    let sum = 0
    for (const { count } of this.#notices.values()) sum += count
    return sum
  }

  add(occurrence: Occurrence, now: number): void {
    if (this.empty) this.#firstAt = now
    const own = kindOf(occurrence)
    const full = this.#notices.size >= this.#most && !this.#notices.has(own)
    // Past the limit, all of a problem are one: what they have not in common is left out.
    const { problem, count, next } = occurrence
    const told = full
      ? { problem, count, next, code: null, group: null, lane: null, topic: null, example: null }
      : occurrence
    const kind = full ? kindOf(told) : own
    const at = new Date(now).toISOString()
    const before = this.#notices.get(kind)
    this.#notices.set(kind, {
      ...(before ?? told),
      count: (before?.count ?? 0) + count,
      firstAt: before?.firstAt ?? at,
      lastAt: at,
    })
  }

  /** Everything, in the order in which it first came; the book is empty then. */
  take(): Notice[] {
    const notices = [...this.#notices.values()]
    this.#notices.clear()
    return notices
  }
}

function kindOf({ problem, code, group, lane, topic }: Occurrence): string {
  return JSON.stringify([problem, code, group, lane, topic])
}
