import type { WireRecord } from '@oncebox/core'
import type { PublishedRecord } from '@oncebox/testkit'
import type { BatchHandler, Subscriber, TopicPartition } from '@oncebox/transport'
import type { Dice } from './dice.js'
import { beginning, type SimulatedProcess } from './process.js'

export interface GroupParts {
  readonly records: readonly PublishedRecord[]
  readonly partitions: number
  readonly topics: readonly string[]
  readonly tell: (what: string) => void
}

/** A partition in the hands of a member, until it is taken away. */
interface Holding extends TopicPartition {
  readonly lost: AbortController
  /** Set when it is to be given back in good order, once the running batch has ended. */
  givenBack: (() => void) | null
  running: boolean
}

interface Member {
  readonly process: SimulatedProcess
  readonly dice: Dice
  readonly handler: BatchHandler
  readonly name: string
  readonly holdings: Map<string, Holding>
}

/** A partition on its way from one member to the next, whoever that is by then. */
interface GivingBack {
  readonly owner: Member
  handOn: () => void
}

/** A consumer group: who reads which partition, from where, and how far it said it was. */
export class ModelGroup {
  /** Ids as they were handed out. */
  readonly deliveries: string[] = []
  readonly #parts: GroupParts
  readonly #members = new Set<Member>()
  readonly #committed = new Map<string, number>()
  readonly #owners = new Map<string, Member>()
  readonly #givingBack = new Map<string, GivingBack>()

  constructor(parts: GroupParts) {
    this.#parts = parts
  }

  subscriber(process: SimulatedProcess, dice: Dice, name: string): Subscriber {
    return {
      name: 'model',
      retentionMs: async () => null,
      close: async () => undefined,
      subscribe: async (_options, handler) => {
        const member: Member = { process, dice, handler, name, holdings: new Map() }
        this.#members.add(member)
        process.onEnd(() => this.leave(process))
        this.rebalance(dice)
        return {
          stop: async () => {
            this.leave(process)
          },
        }
      },
    }
  }

  /** A member is gone, or taken for gone: it hears of it when it can. */
  leave(process: SimulatedProcess): void {
    const member = [...this.#members].find((each) => each.process === process)
    if (member === undefined) return
    this.#members.delete(member)
    for (const [place, holding] of member.holdings) {
      if (this.#owners.get(place) === member) this.#owners.delete(place)
      process.after(0, () => holding.lost.abort())
    }
    member.holdings.clear()
    for (const [place, giving] of [...this.#givingBack]) if (giving.owner === member) this.#given(place, giving)
    this.rebalance(member.dice)
  }

  /** Every partition gets an owner; one that changes hands is given back first, when its owner can. */
  rebalance(dice: Dice): void {
    const members = [...this.#members]
    if (members.length === 0) return
    for (const topic of this.#parts.topics) {
      for (let partition = 0; partition < this.#parts.partitions; partition++) {
        const place = `${topic} ${partition}`
        const next = dice.pick(members)
        const owner = this.#owners.get(place)
        if (owner === next) continue
        this.#owners.set(place, next)
        const take = (): void => {
          if (this.#owners.get(place) === next && this.#members.has(next)) this.#take(next, place, topic, partition)
        }
        const giving = this.#givingBack.get(place)
        const holding = owner?.holdings.get(place)
        if (giving !== undefined) giving.handOn = take
        else if (owner === undefined || holding === undefined) take()
        else this.#giveBack(owner, place, holding, take)
      }
    }
  }

  /** `handOn` once it was given back, or its owner is gone. */
  #giveBack(owner: Member, place: string, holding: Holding, handOn: () => void): void {
    const giving: GivingBack = { owner, handOn }
    this.#givingBack.set(place, giving)
    const give = (): void => {
      owner.holdings.delete(place)
      holding.lost.abort()
      void owner.handler.revoked([holding]).then(() => this.#given(place, giving))
    }
    owner.process.after(0, () => {
      if (holding.running) holding.givenBack = give
      else give()
    })
  }

  #given(place: string, giving: GivingBack): void {
    if (this.#givingBack.get(place) !== giving) return
    this.#givingBack.delete(place)
    giving.handOn()
  }

  #take(member: Member, place: string, topic: string, partition: number): void {
    const holding: Holding = {
      topic,
      partition,
      topicId: '',
      lost: new AbortController(),
      givenBack: null,
      running: false,
    }
    member.holdings.set(place, holding)
    this.#parts.tell(`${member.name} gets ${topic}/${partition}`)
    void this.#read(member, place, holding)
  }

  async #read(member: Member, place: string, holding: Holding): Promise<void> {
    const { handler, process, dice } = member
    const { signal } = holding.lost
    const pause = (ms: number): Promise<void> => process.clock.sleep(ms, signal)
    let position: number | null = null
    while (!signal.aborted) {
      if (position === null) {
        const offsets = await handler.assigned([holding]).catch(() => null)
        if (offsets === null) await pause(30)
        else position = Number(offsets.get(holding) ?? this.#committed.get(place) ?? 0)
        continue
      }
      const records = this.#log(holding).slice(position, position + 1 + dice.below(4))
      if (records.length === 0) {
        await pause(25)
        continue
      }
      this.deliveries.push(...records.map(({ id }) => id))
      holding.running = true
      const progress = await handler
        .batch({ ...holding, records: records.map((record) => wireRecord(record)), signal })
        .catch(() => ({ done: 0, retryAfterMs: 50 }))
      holding.running = false
      if (signal.aborted) break
      position += progress.done
      // The offset is committed now and then; what is not comes again.
      if (dice.chance(0.7)) this.#committed.set(place, position)
      const giveBack = holding.givenBack
      if (giveBack !== null) giveBack()
      else if (progress.done < records.length) await pause(Math.min(progress.retryAfterMs ?? 0, 100))
    }
  }

  #log({ topic, partition }: TopicPartition): PublishedRecord[] {
    return this.#parts.records.filter((record) => record.topic === topic && record.partition === partition)
  }
}

function wireRecord({ id, topic, key, partition, offset }: PublishedRecord): WireRecord {
  const headers = {
    ce_specversion: '1.0',
    ce_type: 'made',
    ce_source: 'shop',
    ce_id: id,
    ce_time: '2026-01-01T00:00:00Z',
  }
  return {
    topic,
    partition,
    offset: String(offset),
    timestamp: beginning,
    key: key === null ? null : Buffer.from(key),
    value: null,
    headers: Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)]),
  }
}
