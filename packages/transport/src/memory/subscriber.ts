import { OnceboxError } from '@oncebox/core'
import type { BatchHandler, SubscribeOptions, Subscriber, Subscription } from '../subscriber.js'
import type { Group } from './group.js'
import type { Link } from './link.js'
import type { Log } from './log.js'
import { Member } from './member.js'

export class MemorySubscriber implements Subscriber {
  readonly name = 'memory'
  readonly #log: Log
  readonly #link: Link
  readonly #group: (name: string) => Group
  readonly #retentionMs: number
  readonly #subscriptions: Subscription[] = []

  constructor(log: Log, link: Link, group: (name: string) => Group, retentionMs: number) {
    this.#log = log
    this.#link = link
    this.#group = group
    this.#retentionMs = retentionMs
  }

  async subscribe(options: SubscribeOptions, handler: BatchHandler): Promise<Subscription> {
    if (!this.#link.connected) {
      throw new OnceboxError('TRANSPORT_UNREACHABLE', 'The in-memory transport is disconnected', {
        next: 'Call reconnect() first.',
      })
    }
    for (const topic of options.topics) {
      if (this.#log.use(topic) === undefined) {
        throw new OnceboxError('TOPIC_MISSING', `Topic ${topic} does not exist`, { next: 'Create it first.' })
      }
    }
    const member = new Member(options, handler, this.#group(options.group), this.#log)
    await this.#group(options.group).join(member)
    let stopped: Promise<void> | undefined
    const subscription: Subscription = {
      stop: ({ deadlineMs }) => {
        stopped ??= member.stop(deadlineMs)
        return stopped
      },
    }
    this.#subscriptions.push(subscription)
    return subscription
  }

  async retentionMs(topic: string): Promise<number | null> {
    return this.#log.use(topic) === undefined ? null : this.#retentionMs
  }

  async close(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop({ deadlineMs: 0 })))
  }
}
