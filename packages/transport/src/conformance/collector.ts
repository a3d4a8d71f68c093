import type { WireRecord } from '@oncebox/core'
import { expect, vi } from 'vitest'
import type { BatchHandler, BatchProgress, IncomingBatch, TopicPartition } from '../subscriber.js'

const waitMs = 45_000

export interface CollectorOptions {
  /** The offset to send a partition to on assignment. */
  readonly offset?: (partition: TopicPartition) => string | undefined
  /** What to answer to a batch; default all done. Its records count as delivered when it is called. */
  readonly answer?: (batch: IncomingBatch) => Promise<BatchProgress> | BatchProgress
}

/** A handler that keeps what it is given, for tests to look at. */
export class Collector implements BatchHandler {
  readonly records: WireRecord[] = []
  readonly batches: IncomingBatch[] = []
  readonly assignments: (readonly TopicPartition[])[] = []
  readonly revocations: (readonly TopicPartition[])[] = []
  /** Set when a batch came for a partition that had one running. */
  overlapped = false
  readonly #options: CollectorOptions
  readonly #running = new Set<string>()

  constructor(options: CollectorOptions = {}) {
    this.#options = options
  }

  async assigned(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<TopicPartition, string>> {
    this.assignments.push(partitions)
    const offsets = new Map<TopicPartition, string>()
    for (const partition of partitions) {
      const offset = this.#options.offset?.(partition)
      if (offset !== undefined) offsets.set(partition, offset)
    }
    return offsets
  }

  async batch(batch: IncomingBatch): Promise<BatchProgress> {
    const key = `${batch.topic}/${batch.partition}`
    if (this.#running.has(key)) this.overlapped = true
    this.#running.add(key)
    try {
      this.batches.push(batch)
      this.records.push(...batch.records)
      return (await this.#options.answer?.(batch)) ?? { done: batch.records.length }
    } finally {
      this.#running.delete(key)
    }
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    this.revocations.push(partitions)
  }

  get values(): string[] {
    return this.records.map((record) => (record.value === null ? '(null)' : Buffer.from(record.value).toString()))
  }

  valuesOf(key: string): string[] {
    const own = this.records.filter((record) => record.key !== null && Buffer.from(record.key).toString() === key)
    return own.map((record) => String(record.value))
  }

  /** Waits until at least `count` records were delivered. */
  async received(count: number): Promise<void> {
    await eventually(() => expect(this.records.length).toBeGreaterThanOrEqual(count))
  }
}

/** Waits until `assertion` passes, and fails with its error when it never does. */
export async function eventually(assertion: () => void): Promise<void> {
  await vi.waitFor(assertion, { timeout: waitMs, interval: 20 })
}

/** A promise that is resolved from outside. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: () => resolve() }
}
