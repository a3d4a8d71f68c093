import type { TopicPartition } from '../subscriber.js'
import type { Link } from './link.js'
import type { Log } from './log.js'
import type { Member } from './member.js'

/** A consumer group: its members, and the offsets they committed. */
export class Group {
  readonly #log: Log
  readonly #link: Link
  readonly #members: Member[] = []
  readonly #offsets = new Map<string, number>()
  #rebalancing: Promise<void> = Promise.resolve()

  constructor(log: Log, link: Link) {
    this.#log = log
    this.#link = link
  }

  get members(): readonly Member[] {
    return this.#members
  }

  async join(member: Member): Promise<void> {
    this.#members.push(member)
    await this.rebalance()
  }

  leave(member: Member): void {
    const at = this.#members.indexOf(member)
    if (at >= 0) this.#members.splice(at, 1)
    void this.rebalance()
  }

  committed(key: string): number {
    return this.#offsets.get(key) ?? 0
  }

  commit(key: string, offset: number): void {
    this.#offsets.set(key, offset)
  }

  /** Spreads the partitions over the members; those that move are given back cleanly before they are taken over. */
  rebalance(): Promise<void> {
    this.#rebalancing = this.#rebalancing.then(() => this.#rebalance())
    return this.#rebalancing
  }

  async #rebalance(): Promise<void> {
    if (!this.#link.connected) return
    const plan = this.#plan()
    const moving = this.#members.map((member) =>
      member.release(member.held.filter((key) => plan.get(key)?.member !== member)),
    )
    await Promise.all(moving)
    if (!this.#link.connected) return
    for (const member of this.#members) {
      const gained = new Map<string, TopicPartition>()
      for (const [key, target] of plan) {
        if (target.member === member && !member.holds(key)) gained.set(key, target.partition)
      }
      // Not awaited: a handler whose database is away must not keep the others from joining.
      if (gained.size > 0) void member.adopt(gained)
    }
  }

  #plan(): Map<string, { readonly member: Member; readonly partition: TopicPartition }> {
    const plan = new Map<string, { member: Member; partition: TopicPartition }>()
    for (const topic of new Set(this.#members.flatMap((member) => member.options.topics))) {
      const takers = this.#members.filter((member) => !member.stopping && member.options.topics.includes(topic))
      const found = this.#log.use(topic)
      if (takers.length === 0 || found === undefined) continue
      for (let partition = 0; partition < found.partitions; partition++) {
        const member = takers[partition % takers.length] as Member
        plan.set(partitionKey(topic, partition), { member, partition: { topic, partition, topicId: found.id } })
      }
    }
    return plan
  }
}

export function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
