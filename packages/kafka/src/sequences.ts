import type { ProducerStamp } from './recordBatch.js'

/** Sequence numbers run from 0 to 2³¹−1 and then from 0 again (DefaultRecordBatch#incrementSequence). */
const sequenceModulus = 2 ** 31
const lastEpoch = 32_767

interface PartitionState {
  readonly epoch: number
  readonly next: number
}

/**
 * The idempotent producer's memory: for each partition the epoch it writes under and the next sequence number.
 *
 * The broker drops what it has seen and refuses what leaves a gap, per (producer id, epoch, partition). A batch whose
 * fate is unknown may only be sent again with the same bytes. To write other bytes in its place the partition goes to
 * the next epoch, sequence 0, which also fences a late arrival of the old request (tried on Kafka 4.1:
 * INVALID_PRODUCER_EPOCH); asking the broker for a new producer id would fence nothing.
 */
export class PartitionSequences {
  readonly producerId: bigint
  readonly #first: PartitionState
  readonly #partitions = new Map<string, PartitionState>()

  /** @param options `firstSequence`: where partitions begin, default 0; brokers take any number from one they do not know. */
  constructor(producerId: bigint, producerEpoch: number, options: { readonly firstSequence?: number } = {}) {
    this.producerId = producerId
    this.#first = { epoch: producerEpoch, next: options.firstSequence ?? 0 }
  }

  /** The stamp of the partition's next batch. Asking does not use it up. */
  stamp(partition: string): ProducerStamp {
    const { epoch, next } = this.#state(partition)
    return { producerId: this.producerId, producerEpoch: epoch, baseSequence: next }
  }

  /** `count` records were written. */
  advance(partition: string, count: number): void {
    const { epoch, next } = this.#state(partition)
    this.#partitions.set(partition, { epoch, next: (next + count) % sequenceModulus })
  }

  /** Gives up the partition's current epoch. Returns false when epochs are used up: a new producer id is needed. */
  nextEpoch(partition: string): boolean {
    const { epoch } = this.#state(partition)
    if (epoch >= lastEpoch) return false
    this.#partitions.set(partition, { epoch: epoch + 1, next: 0 })
    return true
  }

  #state(partition: string): PartitionState {
    return this.#partitions.get(partition) ?? this.#first
  }
}
