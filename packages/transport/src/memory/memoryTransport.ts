import { checkSettings, kinds, type SettingKinds, systemClock, type WireRecord } from '@oncebox/core'
import type { Publisher } from '../publisher.js'
import type { Subscriber } from '../subscriber.js'
import { Group, partitionKey } from './group.js'
import { Link, type PublishFault } from './link.js'
import { Log } from './log.js'
import type { MemoryTransportOptions, RefuseRule } from './options.js'
import { MemoryPublisher } from './publisher.js'
import { MemorySubscriber } from './subscriber.js'

/** A broker in this process, for tests: share one object between what publishes and what subscribes. */
export interface MemoryTransport {
  /** A new publisher of this broker. */
  publisher(): Publisher
  /** A new subscriber of this broker. */
  subscriber(): Subscriber

  /** Creates a topic; one that is there stays as it is. */
  createTopic(topic: string, partitions?: number): void

  /** Everything published to a topic, in the order of writing across its partitions. */
  records(topic: string): readonly WireRecord[]

  /** The group's committed offset of a partition, 0 when it has none. */
  committed(group: string, topic: string, partition: number): number

  /** The broker goes away: publishes fail, sessions are lost (signals abort, progress is not committed). */
  disconnect(): void

  /** The broker is back: groups join again and go on at their committed offsets. */
  reconnect(): void

  /** The next publish is outcome `failed`; with `ackLost` its records were written all the same. */
  failNextPublish(fault: PublishFault): void

  /** From now on, records for which `rule` returns a code are refused with it; null lifts the rule. */
  refuse(rule: RefuseRule | null): void

  /** Delivers a partition of a group again from `offset`, after the batch that is running. */
  redeliver(group: string, topic: string, partition: number, offset: number): void
}

const settingKinds: SettingKinds<MemoryTransportOptions> = {
  partitions: kinds.wholeNumber(1, 10_000),
  maxRecordBytes: kinds.bytes(0),
  missingTopics: kinds.oneOf('create', 'refuse'),
  retentionMs: kinds.wholeNumber(-1, Number.MAX_SAFE_INTEGER),
  clock: kinds.clock,
}

/**
 * An in-memory transport with partitions, offsets, groups and rebalances. Deterministic: no timers but the clock's
 * `sleep` for `retryAfterMs` and stop deadlines.
 *
 * @throws OnceboxError `INVALID_SETTING`
 */
export function memoryTransport(options: MemoryTransportOptions = {}): MemoryTransport {
  checkSettings('memoryTransport', options, settingKinds)
  const log = new Log(options, options.clock ?? systemClock)
  const link = new Link()
  const groups = new Map<string, Group>()
  const group = (name: string): Group => {
    const found = groups.get(name) ?? new Group(log, link)
    groups.set(name, found)
    return found
  }
  const members = () => [...groups.values()].flatMap((each) => each.members)
  log.onAppend(() => {
    for (const member of members()) member.wake()
  })

  return {
    publisher: () => new MemoryPublisher(log, link),
    subscriber: () => new MemorySubscriber(log, link, group, options.retentionMs ?? 604_800_000),
    createTopic: (topic, partitions = options.partitions ?? 3) => log.create(topic, partitions),
    records: (topic) => log.records(topic),
    committed: (name, topic, partition) => group(name).committed(partitionKey(topic, partition)),
    disconnect() {
      link.connected = false
      for (const member of members()) member.lose()
    },
    reconnect() {
      link.connected = true
      for (const each of groups.values()) void each.rebalance()
    },
    failNextPublish: (fault) => link.fail(fault),
    refuse(rule) {
      log.refuseRule = rule
    },
    redeliver(name, topic, partition, offset) {
      const key = partitionKey(topic, partition)
      group(name).commit(key, offset)
      for (const member of group(name).members) member.seek(key, offset)
    },
  }
}
