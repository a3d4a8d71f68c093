import type { ErrorCode } from '@oncebox/core'
import { type Entry, groupOf, partitionUnit } from './entry.js'

/** What was moved aside together: a whole topic, one partition or one key of it, or its messages without a key. */
export type ParkedScope =
  | { readonly kind: 'topic'; readonly topic: string }
  | { readonly kind: 'partition'; readonly topic: string; readonly partition: number }
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

type Parked = Pick<Entry, 'topic' | 'group' | 'keyed' | 'partition'>

/** Refusals that concern every message of a topic. */
const topicWide: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['TOPIC_MISSING', 'NOT_AUTHORIZED', 'TOPIC_WITHOUT_GROUP'])

export function isTopicWide(code: ErrorCode): boolean {
  return topicWide.has(code)
}

/** Failures that concern every message of a partition: nobody answered for it. */
export function isPartitionWide(code: ErrorCode): boolean {
  return code === 'TRANSPORT_FAILED' || code === 'TRANSPORT_UNREACHABLE'
}

/** Which topics, partitions and keys are on the side track. */
export class ParkedGroups {
  readonly #topics = new Map<string, ParkedGroup>()
  /** Partitions and groups, by `partitionUnit` and `groupOf`. */
  readonly #groups = new Map<string, ParkedGroup>()

  get size(): number {
    return this.#topics.size + this.#groups.size
  }

  /** True when a message has to join the side track, behind what waits there. Without a key, only its topic counts. */
  covers(message: Parked): boolean {
    return this.#topics.has(message.topic) || this.#placeOf(message) !== undefined
  }

  /** True when a row of a topic or partition that is being released waits for a reason of its own. */
  keepsBack(message: Parked, releasing: ParkedScope): boolean {
    if (releasing.kind === 'topic') return this.#placeOf(message) !== undefined
    return releasing.kind === 'partition' && message.keyed && this.#groups.has(message.group)
  }

  /** Why a message that is covered has to wait. */
  codeOf(message: Parked): ErrorCode {
    return (this.#topics.get(message.topic) ?? this.#placeOf(message))?.code ?? 'RECORD_REFUSED'
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

  /** The group that a message is in besides its topic. Its own key's comes first: what is refused stays so. */
  #placeOf(message: Parked): ParkedGroup | undefined {
    const own = message.keyed ? this.#groups.get(message.group) : undefined
    if (own !== undefined || message.partition === null) return own
    return this.#groups.get(partitionUnit(message.topic, message.partition))
  }

  #place(scope: ParkedScope): { map: Map<string, ParkedGroup>; name: string } {
    if (scope.kind === 'topic') return { map: this.#topics, name: scope.topic }
    if (scope.kind === 'partition') return { map: this.#groups, name: partitionUnit(scope.topic, scope.partition) }
    return { map: this.#groups, name: groupOf(scope.topic, scope.kind === 'key' ? scope.key : null) }
  }
}
