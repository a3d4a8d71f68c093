import type { ErrorCode } from '@oncebox/core'
import { type Entry, groupOf } from './entry.js'

/** What was moved aside together: a whole topic, one key of it, or its messages without a key. */
export type ParkedScope =
  | { readonly kind: 'topic'; readonly topic: string }
  | { readonly kind: 'key'; readonly topic: string; readonly key: string }
  | { readonly kind: 'keyless'; readonly topic: string }

/** Why it waits, and when its cause is looked at again. */
export interface ParkedGroup {
  readonly scope: ParkedScope
  code: ErrorCode
  attempts: number
  /** Milliseconds, by the relay's clock. */
  retryAt: number
  /** How far the present round of publishing got, by number in the table. */
  after: number
  /** Whether the present round left rows behind that have no order. */
  leftBehind: boolean
}

/** Refusals that concern every message of a topic. */
const topicWide: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['TOPIC_MISSING', 'NOT_AUTHORIZED', 'TOPIC_WITHOUT_GROUP'])

export function isTopicWide(code: ErrorCode): boolean {
  return topicWide.has(code)
}

/** Which topics and keys are on the side track. */
export class ParkedGroups {
  readonly #topics = new Map<string, ParkedGroup>()
  readonly #groups = new Map<string, ParkedGroup>()

  get size(): number {
    return this.#topics.size + this.#groups.size
  }

  /** True when a message has to join the side track, behind what waits there. Without a key, only its topic counts. */
  covers(message: Pick<Entry, 'topic' | 'group' | 'keyed'>): boolean {
    return this.#topics.has(message.topic) || (message.keyed && this.#groups.has(message.group))
  }

  /** True when a row of a topic that is being released waits for a reason of its own. */
  keepsBack(message: Pick<Entry, 'group' | 'keyed'>): boolean {
    return message.keyed && this.#groups.has(message.group)
  }

  /** Why a message that is covered has to wait. */
  codeOf(message: Pick<Entry, 'topic' | 'group'>): ErrorCode {
    return (this.#topics.get(message.topic) ?? this.#groups.get(message.group))?.code ?? 'RECORD_REFUSED'
  }

  /** Puts a scope on the side track; one that is there stays as it is. True when it is new. */
  add(scope: ParkedScope, code: ErrorCode, retryAt: number): boolean {
    const { map, name } = this.#place(scope)
    if (map.has(name)) return false
    map.set(name, { scope, code, attempts: 0, retryAt, after: 0, leftBehind: false })
    return true
  }

  remove(scope: ParkedScope): void {
    const { map, name } = this.#place(scope)
    map.delete(name)
  }

  /** The group that is due first, if one is. A topic goes before its keys. */
  due(now: number): ParkedGroup | undefined {
    let first: ParkedGroup | undefined
    for (const groups of [this.#topics, this.#groups]) {
      for (const group of groups.values()) {
        if (group.retryAt <= now && (first === undefined || group.retryAt < first.retryAt)) first = group
      }
    }
    return first
  }

  nextRetryAt(): number {
    let next = Number.POSITIVE_INFINITY
    for (const groups of [this.#topics, this.#groups]) {
      for (const group of groups.values()) next = Math.min(next, group.retryAt)
    }
    return next
  }

  #place(scope: ParkedScope): { map: Map<string, ParkedGroup>; name: string } {
    if (scope.kind === 'topic') return { map: this.#topics, name: scope.topic }
    return { map: this.#groups, name: groupOf(scope.topic, scope.kind === 'key' ? scope.key : null) }
  }
}
