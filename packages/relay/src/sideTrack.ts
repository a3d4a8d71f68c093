import { type ErrorCode, partitionOf } from '@oncebox/core'
import type { Publisher } from '@oncebox/transport'
import { backoffMs, parkedBackoff } from './backoff.js'
import { leaseLost } from './cursor.js'
import { deliver } from './delivery.js'
import type { Entry } from './entry.js'
import type { Lease } from './lease.js'
import type { ParkedTable } from './parked.js'
import { isPartitionWide, isTopicWide, type ParkedGroup, ParkedGroups, type ParkedScope } from './parkedGroups.js'
import type { ParkQueue } from './parkQueue.js'
import type { Partitions } from './partitions.js'
import { sortOutcomes } from './plan.js'
import type { Publications } from './publications.js'
import type { Session } from './session.js'
import type { RelaySettings } from './settings.js'

export interface SideTrackParts {
  readonly table: ParkedTable
  readonly queue: ParkQueue
  readonly lease: Lease
  readonly publisher: Publisher
  readonly partitions: Partitions
  readonly publications: Publications
  readonly settings: RelaySettings
}

/** Messages that cannot be sent now, and the later ones of their keys: moved aside, and back when the cause is gone. */
export class SideTrack {
  readonly groups = new ParkedGroups()
  readonly #parts: SideTrackParts

  constructor(parts: SideTrackParts) {
    this.#parts = parts
  }

  /** Learns what an earlier term moved aside; reads on `session`. @throws OnceboxError `LEASE_LOST` */
  async load(session: Session): Promise<void> {
    const { table, lease, partitions, settings } = this.#parts
    const now = settings.clock.now()
    const loaded = await table.load(session)
    if (!(await table.held())) throw leaseLost(lease)
    for (const { topic, key, code, pinned } of loaded) {
      const partition = key === null || pinned === null ? null : partitionOf(Buffer.from(key), pinned)
      const scope = scopeOf({ topic, key, partition }, code)
      // What comes for the partition has to be known as such from the first message on.
      if (scope.kind === 'partition' && pinned !== null) partitions.presume(topic, pinned)
      this.groups.add(scope, code, now)
    }
  }

  /** Puts the scope of a refusal on the side track. */
  open(entry: Entry, code: ErrorCode): ParkedScope {
    return this.#open(scopeOf({ topic: entry.topic, key: entry.keyText, partition: null }, code), code)
  }

  /** Puts everything on the side track that fails together with a message. */
  openUnit(entry: Entry, code: ErrorCode): ParkedScope {
    const { topic, partition, assigned } = entry
    const scope: ParkedScope = assigned
      ? scopeOf({ topic, key: entry.keyText, partition }, code)
      : { kind: 'topic', topic }
    return this.#open(scope, code)
  }

  #open(scope: ParkedScope, code: ErrorCode): ParkedScope {
    const { settings } = this.#parts
    const { topic } = scope
    const isNew = this.groups.add(scope, code, settings.clock.now() + this.#pauseMs(code, 1))
    if (isNew) {
      settings.logger.warn({ lane: settings.lane, topic, code, scope: scope.kind }, 'messages are moved aside')
      if (code === 'TOPIC_MISSING') settings.onEvent({ event: 'topic_missing', lane: settings.lane, topic })
    }
    return scope
  }

  /** Lets messages join the side track, in order, after those of earlier calls. */
  add(entries: readonly Entry[], code: ErrorCode): void {
    this.#parts.queue.add(entries, code)
  }

  /** True when nothing is on its way to the side track. */
  get settled(): boolean {
    return this.#parts.queue.empty
  }

  /**
   * Publishes the next page of a group whose cause may be gone. Only when all of it is out do the group's live messages
   * flow again. @throws OnceboxError `LEASE_LOST`
   */
  async release(group: ParkedGroup): Promise<void> {
    const { table, queue, lease, partitions, publications, settings } = this.#parts
    const { scope } = group
    // What is still on its way would be overtaken by the messages that flow when the group is gone.
    await queue.flush()
    const page = await table.page(scope, group.after, { rows: settings.batchMessages, bytes: settings.batchBytes })
    const known = partitions.known(scope.topic)
    if (known !== undefined) for (const entry of page.entries) entry.assign(known)
    const entries = page.entries.filter((entry) => within(entry, scope) && !this.groups.keepsBack(entry, scope))
    const outcomes = entries.length === 0 ? [] : await deliver(entries, this.#parts)
    const sorted = sortOutcomes(entries, outcomes)
    if (sorted.acked.length > 0) {
      const positions = await table.remove(sorted.acked)
      if (positions === null) throw leaseLost(lease)
      const acked = outcomes.filter(({ status }) => status === 'acked')
      // Fewer when somebody took rows away meanwhile: then nobody knows which outcome is whose.
      if (positions.length === acked.length) {
        publications.add(
          positions.map((position) => ({ topic: scope.topic, position })),
          acked,
        )
      }
      settings.onEvent({ event: 'released', lane: settings.lane, topic: scope.topic, count: sorted.acked.length })
    }
    const failure = sorted.again[0]
    if (failure !== undefined) return this.#postpone(group, failure.code)
    for (const refusal of sorted.refused) {
      if (scope.kind === 'keyless') group.leftBehind = true
      else if (scope.kind === 'key' || isTopicWide(refusal.code)) return this.#postpone(group, refusal.code)
      else {
        this.open(refusal.entries[0] as Entry, refusal.code)
      }
    }
    group.after = page.entries.at(-1)?.position ?? group.after
    if (page.cut) return
    if (group.leftBehind) return this.#postpone(group, group.code)
    if (!(await table.held())) throw leaseLost(lease)
    this.groups.remove(scope)
  }

  #postpone(group: ParkedGroup, code: ErrorCode): void {
    const { settings } = this.#parts
    group.attempts++
    group.code = code
    group.after = 0
    group.leftBehind = false
    group.retryAt = settings.clock.now() + this.#pauseMs(code, group.attempts)
  }

  #pauseMs(code: ErrorCode, attempts: number): number {
    const { settings } = this.#parts
    return code === 'TOPIC_MISSING' ? settings.topicRetryMs : backoffMs(parkedBackoff, attempts, settings.random)
  }
}

function scopeOf(
  message: { readonly topic: string; readonly key: string | null; readonly partition: number | null },
  code: ErrorCode,
): ParkedScope {
  const { topic, key, partition } = message
  if (isTopicWide(code)) return { kind: 'topic', topic }
  if (isPartitionWide(code) && partition !== null) return { kind: 'partition', topic, partition }
  return key === null ? { kind: 'keyless', topic } : { kind: 'key', topic, key }
}

/** The table is read by topic and key; which rows are of a partition only the keys' hash tells. */
function within(entry: Entry, scope: ParkedScope): boolean {
  return scope.kind !== 'partition' || entry.partition === scope.partition
}
