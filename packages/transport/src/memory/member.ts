import type { Clock } from '@oncebox/core'
import type { BatchHandler, SubscribeOptions, TopicPartition } from '../subscriber.js'
import { Delivery, errorName } from './delivery.js'
import type { Group } from './group.js'
import type { Log } from './log.js'

const assignRetryMs = 1000

/** One subscription in a group: holds partitions and delivers them to one handler. */
export class Member {
  readonly options: SubscribeOptions
  readonly #handler: BatchHandler
  readonly #group: Group
  readonly #log: Log
  readonly #clock: Clock
  readonly #deliveries = new Map<string, Delivery>()
  /** The last delivery of each partition held before: a partition never runs twice at once, even when it was lost. */
  readonly #before = new Map<string, Promise<void>>()
  readonly #stopping = new AbortController()

  constructor(options: SubscribeOptions, handler: BatchHandler, group: Group, log: Log) {
    this.options = options
    this.#handler = handler
    this.#group = group
    this.#log = log
    this.#clock = log.clock
  }

  get stopping(): boolean {
    return this.#stopping.signal.aborted
  }

  holds(key: string): boolean {
    return this.#deliveries.has(key)
  }

  get held(): readonly string[] {
    return [...this.#deliveries.keys()]
  }

  wake(): void {
    for (const delivery of this.#deliveries.values()) delivery.wake()
  }

  seek(key: string, position: number): void {
    this.#deliveries.get(key)?.seek(position)
  }

  /** Gives partitions back cleanly: their running batches end first, then `revoked` is called. */
  async release(keys: readonly string[]): Promise<void> {
    const deliveries = this.#take(keys)
    if (deliveries.length === 0) return
    await Promise.all(deliveries.map((delivery) => delivery.end()))
    await this.#revoked(deliveries)
  }

  /** Takes partitions over: asks the handler for offsets until it answers, then delivers. */
  async adopt(partitions: ReadonlyMap<string, TopicPartition>): Promise<void> {
    if (this.stopping) return
    const deliveries = new Map([...partitions].map(([key, partition]) => [key, this.#delivery(key, partition)]))
    const before = [...partitions.keys()].map((key) => this.#before.get(key))
    for (const [key, delivery] of deliveries) this.#deliveries.set(key, delivery)
    await Promise.all(before)
    while ([...deliveries.values()].some((delivery) => !delivery.ended)) {
      try {
        const offsets = await this.#handler.assigned([...partitions.values()])
        for (const [key, delivery] of deliveries) delivery.start(this.#position(key, delivery.partition, offsets))
        return
      } catch (error) {
        this.options.logger.warn({ error: errorName(error) }, 'taking over partitions failed, trying again')
        await this.#clock.sleep(assignRetryMs, this.#stopping.signal)
      }
    }
  }

  /** The session is lost: signals abort, nothing more is committed, `revoked` is not called. */
  lose(): void {
    for (const delivery of this.#take(this.held)) delivery.lose()
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort()
    const deliveries = this.#take(this.held)
    const intime = new AbortController()
    const ended = Promise.all(deliveries.map((delivery) => delivery.end())).then(() => true)
    const passed = this.#clock.sleep(deadlineMs, intime.signal).then(() => false)
    const clean = await Promise.race([ended, passed])
    intime.abort()
    if (clean) await this.#revoked(deliveries)
    else for (const delivery of deliveries) delivery.lose()
    this.#group.leave(this)
  }

  #delivery(key: string, partition: TopicPartition): Delivery {
    return new Delivery({
      partition,
      records: () => this.#log.partition(partition.topic, partition.partition),
      commit: (offset) => this.#group.commit(key, offset),
      options: this.options,
      handler: this.#handler,
      clock: this.#clock,
    })
  }

  #position(key: string, partition: TopicPartition, offsets: ReadonlyMap<TopicPartition, string>): number {
    const wanted = offsets.get(partition)
    const committed = this.#group.committed(key)
    if (wanted === undefined) return committed
    const end = this.#log.partition(partition.topic, partition.partition).length
    if (Number(wanted) <= end) return Number(wanted)
    const { topic, partition: number } = partition
    this.options.logger.warn({ topic, partition: number, offset: wanted, end }, 'offset beyond the end ignored')
    return committed
  }

  #take(keys: readonly string[]): Delivery[] {
    return keys.flatMap((key) => {
      const delivery = this.#deliveries.get(key)
      if (delivery === undefined) return []
      this.#deliveries.delete(key)
      this.#before.set(key, delivery.end())
      return [delivery]
    })
  }

  async #revoked(deliveries: readonly Delivery[]): Promise<void> {
    if (deliveries.length === 0) return
    try {
      await this.#handler.revoked(deliveries.map((delivery) => delivery.partition))
    } catch (error) {
      this.options.logger.warn({ error: errorName(error) }, 'the handler rejected revoked()')
    }
  }
}
