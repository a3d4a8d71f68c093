import type { ErrorCode } from '@oncebox/core'
import type { Entry } from './entry.js'
import { KeyFilter } from './keyFilter.js'

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

type Parked = Pick<Entry, 'topic' | 'keyText' | 'keyMark' | 'partition'>

/** Refusals that concern every message of a topic. */
export const topicWide: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TOPIC_MISSING',
  'NOT_AUTHORIZED',
  'TOPIC_WITHOUT_GROUP',
  'PAUSED',
])

export function isTopicWide(code: ErrorCode): boolean {
  return topicWide.has(code)
}

/** Failures that concern every message of a partition: nobody answered for it. */
export function isPartitionWide(code: ErrorCode): boolean {
  return code === 'TRANSPORT_FAILED' || code === 'TRANSPORT_UNREACHABLE'
}

/** What waits of one topic: all of it, its messages without a key, partitions, keys. */
interface ParkedTopic {
  whole: ParkedGroup | undefined
  keyless: ParkedGroup | undefined
  readonly partitions: Map<number, ParkedGroup>
  readonly keys: Map<string, ParkedGroup>
  readonly filter: KeyFilter
}

/**
 * Which topics, partitions and keys are on the side track. Every message that is read is looked up here while there are
 * any, so what costs something, its key as text, is asked for when nothing else decides.
 */
export class ParkedGroups {
  readonly #topics = new Map<string, ParkedTopic>()
  readonly #groups = new Set<ParkedGroup>()
  /** None is due earlier: with many groups, a look at each of them for every call would cost more than the call. */
  #noneBefore = Number.POSITIVE_INFINITY
  /** Those that the last look found due, the first one last: they are gone through before the next look, for the same reason. */
  #found: ParkedGroup[] = []
  /** Topics of which nothing leaves until an operator says so. */
  readonly #paused = new Set<string>()

  get size(): number {
    return this.#groups.size
  }

  /** True when a message has to join the side track, behind what waits there. Without a key, only its topic counts. */
  covers(message: Parked): boolean {
    const topic = this.#topics.get(message.topic)
    return topic !== undefined && (topic.whole !== undefined || placeIn(topic, message) !== undefined)
  }

  /** True when a row of a topic or partition that is being released waits for a reason of its own. */
  keepsBack(message: Parked, releasing: ParkedScope): boolean {
    const topic = this.#topics.get(message.topic)
    if (topic === undefined) return false
    if (releasing.kind === 'topic') return placeIn(topic, message) !== undefined
    return releasing.kind === 'partition' && ownPlaceIn(topic, message) !== undefined
  }

  /** Why a message that is covered has to wait. */
  codeOf(message: Parked): ErrorCode {
    const topic = this.#topics.get(message.topic)
    const group = topic?.whole ?? (topic === undefined ? undefined : placeIn(topic, message))
    return group?.code ?? 'RECORD_REFUSED'
  }

  /** Puts a scope on the side track; one that is there stays as it is. True when it is new. */
  add(scope: ParkedScope, code: ErrorCode, retryAt: number): boolean {
    const topic = this.#of(scope.topic)
    if (groupIn(topic, scope) !== undefined) return false
    const group = { scope, code, attempts: 0, retryAt, after: 0, leftBehind: false }
    this.#groups.add(group)
    this.#noneBefore = Math.min(this.#noneBefore, retryAt)
    put(topic, scope, group)
    return true
  }

  /** Holds a topic: what comes joins the side track, and nothing leaves it. */
  pause(topic: string): void {
    this.#paused.add(topic)
    this.add({ kind: 'topic', topic }, 'PAUSED', 0)
  }

  /** Lets a topic go: what waits of it is due at `now`, each key again behind a reason of its own. */
  resume(topic: string, now: number): void {
    this.#paused.delete(topic)
    const whole = this.#topics.get(topic)?.whole
    if (whole !== undefined) whole.retryAt = now
    this.#noneBefore = Math.min(this.#noneBefore, now)
  }

  remove(scope: ParkedScope): void {
    const topic = this.#topics.get(scope.topic)
    const group = topic === undefined ? undefined : groupIn(topic, scope)
    if (topic === undefined || group === undefined) return
    this.#groups.delete(group)
    take(topic, scope)
    const { whole, keyless, partitions, keys } = topic
    const isEmpty = whole === undefined && keyless === undefined && partitions.size + keys.size === 0
    if (isEmpty) this.#topics.delete(scope.topic)
  }

  /** The group that is due first, if one is. A topic goes before its keys. */
  due(now: number): ParkedGroup | undefined {
    for (;;) {
      const group = this.#found.at(-1)
      if (group === undefined) break
      if (this.#groups.has(group) && this.#isDue(group, now)) return group
      this.#found.pop()
    }
    if (now < this.#noneBefore) return undefined
    this.#noneBefore = Number.POSITIVE_INFINITY
    for (const group of this.#groups) {
      if (this.#paused.has(group.scope.topic)) continue
      this.#noneBefore = Math.min(this.#noneBefore, group.retryAt)
      if (group.retryAt <= now) this.#found.push(group)
    }
    this.#found.sort(earlierFirst).reverse()
    return this.#found.at(-1)
  }

  #isDue({ scope, retryAt }: ParkedGroup, now: number): boolean {
    return retryAt <= now && !this.#paused.has(scope.topic)
  }

  /** No group is due before, by the last look of `due`. */
  nextRetryAt(): number {
    return this.#noneBefore
  }

  #of(name: string): ParkedTopic {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = { whole: undefined, keyless: undefined, partitions: new Map(), keys: new Map(), filter: new KeyFilter() }
      this.#topics.set(name, topic)
    }
    return topic
  }
}

function earlierFirst(one: ParkedGroup, other: ParkedGroup): number {
  const isKey = ({ scope }: ParkedGroup) => Number(scope.kind !== 'topic')
  return one.retryAt - other.retryAt || isKey(one) - isKey(other)
}

/** The group that a message is in besides its topic. Its own key's comes first: what is refused stays so. */
function placeIn(topic: ParkedTopic, message: Parked): ParkedGroup | undefined {
  const partition = message.partition === null ? undefined : topic.partitions.get(message.partition)
  return ownPlaceIn(topic, message) ?? partition
}

function ownPlaceIn({ keys, filter }: ParkedTopic, message: Parked): ParkedGroup | undefined {
  if (!filter.mayHold(message.keyMark)) return undefined
  const key = message.keyText
  return key === null ? undefined : keys.get(key)
}

function groupIn(topic: ParkedTopic, scope: ParkedScope): ParkedGroup | undefined {
  if (scope.kind === 'partition') return topic.partitions.get(scope.partition)
  if (scope.kind === 'key') return topic.keys.get(scope.key)
  return scope.kind === 'topic' ? topic.whole : topic.keyless
}

function put(topic: ParkedTopic, scope: ParkedScope, group: ParkedGroup): void {
  switch (scope.kind) {
    case 'topic':
      topic.whole = group
      return
    case 'keyless':
      topic.keyless = group
      return
    case 'partition':
      topic.partitions.set(scope.partition, group)
      return
    case 'key':
      topic.keys.set(scope.key, group)
      topic.filter.add(scope.key)
  }
}

function take(topic: ParkedTopic, scope: ParkedScope): void {
  switch (scope.kind) {
    case 'topic':
      topic.whole = undefined
      return
    case 'keyless':
      topic.keyless = undefined
      return
    case 'partition':
      topic.partitions.delete(scope.partition)
      return
    case 'key':
      topic.keys.delete(scope.key)
      topic.filter.remove(scope.key)
  }
}
