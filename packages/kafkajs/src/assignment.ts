import type { TopicPartition } from '@oncebox/transport'

/** What a group member holds in one generation of its group, from one join to the next. */
export class Assignment {
  readonly partitions: readonly TopicPartition[]
  /** Set once the handler's offsets are known and sought: before that no batch may run. */
  ready = false
  /** A rebalance has begun: the running batches may end, no further one begins. */
  ending = false
  readonly #lost = new AbortController()
  readonly #abandoned = Promise.withResolvers<void>()
  readonly #running = new Set<Promise<unknown>>()
  readonly #byKey: ReadonlyMap<string, TopicPartition>

  constructor(memberAssignment: Readonly<Record<string, readonly number[]>>) {
    this.partitions = Object.entries(memberAssignment).flatMap(([topic, numbers]) =>
      // kafkajs does not read topic ids.
      numbers.map((partition): TopicPartition => ({ topic, partition, topicId: '' })),
    )
    this.#byKey = new Map(this.partitions.map((each) => [partitionKey(each.topic, each.partition), each]))
  }

  /** Aborts when the partitions are no longer ours: what is done from then on is not committed. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Resolves when nobody waits for running batches any longer. */
  get abandoned(): Promise<void> {
    return this.#abandoned.promise
  }

  get busy(): boolean {
    return this.#running.size > 0
  }

  find(topic: string, partition: number): TopicPartition | undefined {
    return this.#byKey.get(partitionKey(topic, partition))
  }

  track(batch: Promise<unknown>): void {
    this.#running.add(batch)
    const ended = () => this.#running.delete(batch)
    batch.then(ended, ended)
  }

  /** Resolves when no batch runs. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  lose(): void {
    this.ending = true
    this.#lost.abort()
  }

  abandon(): void {
    this.lose()
    this.#abandoned.resolve()
  }
}

export function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
