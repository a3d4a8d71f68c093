import type { Clock, WireRecord } from '@oncebox/core'
import type { BatchHandler, BatchProgress, SubscribeOptions, TopicPartition } from '../subscriber.js'
import { Wakeup } from './wakeup.js'

export interface DeliveryParts {
  readonly partition: TopicPartition
  readonly records: () => readonly WireRecord[]
  readonly commit: (offset: number) => void
  readonly options: SubscribeOptions
  readonly handler: BatchHandler
  readonly clock: Clock
}

/** Delivers one partition to one member of a group, batch after batch, for as long as the member holds it. */
export class Delivery {
  readonly partition: TopicPartition
  readonly #parts: DeliveryParts
  readonly #wakeup = new Wakeup()
  /** Aborts when no further batch may begin. */
  readonly #ending = new AbortController()
  /** Aborts when the partition is lost: what is done from then on is not committed. */
  readonly #lost = new AbortController()
  #position = 0
  #seek: number | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(parts: DeliveryParts) {
    this.partition = parts.partition
    this.#parts = parts
  }

  get ended(): boolean {
    return this.#ending.signal.aborted
  }

  /** Begins at `position`. A delivery that was ended before it began never begins. */
  start(position: number): void {
    if (this.ended) return
    this.#position = position
    this.#running = this.#loop()
  }

  /** Goes on at `position` once the running batch has ended; what that batch did is committed, then read again. */
  seek(position: number): void {
    this.#seek = position
    this.#wakeup.notify()
  }

  wake(): void {
    this.#wakeup.notify()
  }

  /** Begins no further batch; resolves when the running one has ended and is committed. */
  end(): Promise<void> {
    this.#ending.abort()
    this.#wakeup.notify()
    return this.#running
  }

  /** The partition is lost: aborts the running batch's signal, and commits no more. */
  lose(): void {
    this.#lost.abort()
    void this.end()
  }

  async #loop(): Promise<void> {
    const { options, clock, commit } = this.#parts
    while (!this.ended) {
      if (this.#seek !== undefined) {
        this.#position = this.#seek
        this.#seek = undefined
      }
      const records = nextRecords(this.#parts.records(), this.#position, options)
      if (records.length === 0) {
        await this.#wakeup.next()
        continue
      }
      const progress = await this.#handle(records)
      if (this.#lost.signal.aborted) return
      if (progress.done > 0) {
        this.#position += progress.done
        commit(this.#position)
      }
      if (progress.done < records.length && (progress.retryAfterMs ?? 0) > 0) {
        await clock.sleep(progress.retryAfterMs as number, this.#ending.signal)
      } else {
        // Lets other partitions have their turn, and a handler that never gets on not starve everything.
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }

  async #handle(records: readonly WireRecord[]): Promise<BatchProgress> {
    try {
      return await this.#parts.handler.batch({ ...this.partition, records, signal: this.#lost.signal })
    } catch (error) {
      const { topic, partition } = this.partition
      this.#parts.options.logger.warn({ topic, partition, error: errorName(error) }, 'the batch handler rejected')
      return { done: 0, retryAfterMs: 1000 }
    }
  }
}

/** The records of the next batch: within the limits, but at least one when there is one. Pure. */
export function nextRecords(
  records: readonly WireRecord[],
  position: number,
  limits: { readonly maxRecords: number; readonly maxBytes: number },
): readonly WireRecord[] {
  let end = position
  let bytes = 0
  while (end < records.length && end - position < limits.maxRecords) {
    bytes += records[end]?.value?.length ?? 0
    if (bytes > limits.maxBytes && end > position) break
    end++
  }
  return records.slice(position, end)
}

/** An error's class and code: its text may quote a payload. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' ? `${error.name} ${code}` : error.name
}
