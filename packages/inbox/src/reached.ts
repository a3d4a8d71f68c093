import type { TopicPartition } from '@oncebox/transport'

/** The database says less than this consumer has seen committed: it lost commits (a failover, a restore). */
export class DatabaseWentBack extends Error {
  override readonly name = 'DatabaseWentBack'
}

/**
 * How far this consumer has seen its partitions committed. A database that later says less has lost the effects as well,
 * and they are to be had from the transport only by going back there.
 */
export class Reached {
  readonly #next = new Map<string, bigint>()
  readonly #begun = new Map<string, bigint>()

  /** What the database says when a partition is taken over; null when it says nothing. */
  takeOver(partition: TopicPartition, stored: string | null): void {
    const key = keyOf(partition)
    if (stored === null) this.#next.delete(key)
    else this.#next.set(key, BigInt(stored))
  }

  /** A batch that begins at `first` has come. */
  begin(partition: TopicPartition, first: string | null): void {
    const key = keyOf(partition)
    if (first !== null && !this.#begun.has(key)) this.#begun.set(key, BigInt(first))
  }

  /** Where to go on when the database knows nothing of a partition any more, of which this consumer has had records. */
  begunAt(partition: TopicPartition): string | undefined {
    return this.#begun.get(keyOf(partition))?.toString()
  }

  /** A transaction that stored `next` has committed. */
  committed(partition: TopicPartition, next: string): void {
    this.#next.set(keyOf(partition), BigInt(next))
  }

  /** @throws DatabaseWentBack when `stored` is less than what was committed. */
  check(partition: TopicPartition, stored: bigint | null): void {
    const reached = this.#next.get(keyOf(partition))
    if (reached !== undefined && (stored === null || stored < reached)) throw new DatabaseWentBack()
  }
}

function keyOf({ topic, topicId, partition }: TopicPartition): string {
  return JSON.stringify([topic, topicId, partition])
}
