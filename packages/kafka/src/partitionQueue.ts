import { type OutgoingRecord, orderKey, type PublishOutcome } from '@oncebox/transport'
import type { BatchLimits } from './batchLimits.js'
import type { Compression } from './options.js'
import { produceVerdict } from './produceErrors.js'
import type { PartitionBatch } from './produceRequest.js'
import { recordSizeEstimate, writeRecordBatch } from './recordBatch.js'
import type { RecordWriter } from './recordWriter.js'
import type { PartitionSequences } from './sequences.js'

/** A batch that was built and not resolved yet. */
interface Unresolved extends PartitionBatch {
  readonly indexes: readonly number[]
  readonly baseSequence: number
  /** Bytes by the estimate that it was filled by. */
  readonly estimate: number
  readonly builtAtMs: number
}

export interface PartitionQueueParts {
  readonly topic: string
  readonly partition: number
  readonly records: readonly OutgoingRecord[]
  /** Which of the records go to this partition, in order. */
  readonly indexes: number[]
  /** Where the outcome of each record is put. */
  readonly outcomes: PublishOutcome[]
  readonly sequences: PartitionSequences
  readonly limits: BatchLimits
  readonly compression: Compression
  /** What batches are written into; the queue's own until it is done. */
  readonly out: RecordWriter
}

/**
 * The records of one publish call that go to one partition, in order, and the one batch of them that is under way.
 * Decides what to send next and what a broker's answer means; does no I/O.
 */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  readonly #name: string
  readonly #parts: PartitionQueueParts
  /** What is still to be sent: runs of indexes, the next one first. */
  #runs: (readonly number[])[]
  /** Keys of which a record was not acked: nothing more of theirs is sent. */
  readonly #stopped = new Set<string>()
  #unresolved: Unresolved | null = null
  #maybeWritten = false

  constructor(parts: PartitionQueueParts) {
    this.topic = parts.topic
    this.partition = parts.partition
    this.#name = `${parts.topic}\0${parts.partition}`
    this.#parts = parts
    this.#runs = [parts.indexes]
  }

  /** True when nothing is left to send or to resolve. */
  get done(): boolean {
    return this.#unresolved === null && this.#runs.length === 0
  }

  /**
   * The batch to send now: the unresolved one as it was, or the next one; null when the queue is done. What a record throws
   * while it is written leaves the queue as it was.
   */
  batch(nowMs: number): PartitionBatch | null {
    if (this.#unresolved !== null) return this.#unresolved
    const { indexes, estimate } = this.#take(nowMs)
    if (indexes.length === 0) return null
    const { out, records, sequences, compression } = this.#parts
    const stamp = sequences.stamp(this.#name)
    out.reset()
    try {
      writeRecordBatch(out, { records, indexes, timestampMs: nowMs, stamp, compression })
    } catch (error) {
      this.#runs.unshift(indexes)
      throw error
    }
    const bytes = out.buffer.subarray(0, out.position)
    const { topic, partition } = this
    const { baseSequence } = stamp
    this.#unresolved = { topic, partition, bytes, indexes, baseSequence, estimate, builtAtMs: nowMs }
    this.#maybeWritten = false
    return this.#unresolved
  }

  /** The batch may have reached a broker from which no answer came. */
  unanswered(): void {
    this.#maybeWritten = true
  }

  /**
   * Takes a broker's answer to the batch.
   * @returns `next` to go on at once, `again` to send the same batch after a pause and a look for the leader,
   *   `newProducer` when this producer id cannot go on.
   */
  settle(errorCode: number, baseOffset: bigint): 'next' | 'again' | 'newProducer' {
    const { indexes, baseSequence, estimate, builtAtMs } = this.#unresolved as Unresolved
    const verdict = errorCode === 0 ? null : produceVerdict(errorCode)
    switch (verdict?.kind) {
      case undefined:
        this.#written(indexes, baseOffset)
        return 'next'
      case 'written':
        this.#written(indexes, -1n)
        return 'next'
      case 'again':
        this.#maybeWritten = true
        return 'again'
      case 'sequence':
        // A broker that does not take the first batch of an epoch will not take that of the next one either.
        return baseSequence > 0 && this.#restart(indexes) ? 'next' : 'newProducer'
      case 'refused':
        this.#maybeWritten = false
        this.refuse(verdict)
        return 'next'
      case 'split':
        if (verdict.code === 'RECORD_TOO_LARGE' && indexes.length > 1) {
          this.#parts.limits.refused(this.topic, estimate, builtAtMs)
        }
        this.#split(indexes, verdict)
        return 'next'
    }
  }

  /** Ends the queue: whatever is not acked is refused, of each key the first record, with the others held behind it. */
  refuse({ code, reason }: { readonly code: PublishFailure['code']; readonly reason: string }): boolean {
    return this.#end({ status: 'refused', code, reason })
  }

  /** Ends the queue: whatever is not acked has failed. Returns false when this producer id cannot go on. */
  fail({ code, reason }: { readonly code: PublishFailure['code']; readonly reason: string }): boolean {
    return this.#end({ status: 'failed', code, reason })
  }

  /** A batch that may have been written gives up its epoch: what the caller sends in its place will be other bytes. */
  #end(outcome: PublishFailure): boolean {
    const unresolved = this.#unresolved
    const left = [unresolved?.indexes ?? [], ...this.#runs].flat()
    this.#unresolved = null
    this.#runs = []
    for (const index of left) {
      if (this.#held(index)) continue
      if (outcome.status === 'refused') this.#stop(index, outcome)
      else this.#parts.outcomes[index] = outcome
    }
    return unresolved === null || !this.#maybeWritten || this.#parts.sequences.nextEpoch(this.#name)
  }

  #written(indexes: readonly number[], baseOffset: bigint): void {
    this.#unresolved = null
    this.#parts.sequences.advance(this.#name, indexes.length)
    const { partition } = this
    const { outcomes } = this.#parts
    const base = Number(baseOffset)
    for (let i = 0; i < indexes.length; i++) {
      outcomes[indexes[i] as number] = { status: 'acked', partition, offset: base < 0 ? null : base + i }
    }
  }

  #restart(indexes: readonly number[]): boolean {
    if (!this.#parts.sequences.nextEpoch(this.#name)) return false
    this.#unresolved = null
    this.#runs.unshift(indexes)
    return true
  }

  #split(indexes: readonly number[], { code, reason }: Pick<PublishFailure, 'code' | 'reason'>): void {
    this.#unresolved = null
    if (indexes.length === 1) {
      this.#stop(indexes[0] as number, { status: 'refused', code, reason })
    } else {
      const middle = indexes.length >> 1
      this.#runs.unshift(indexes.slice(0, middle), indexes.slice(middle))
    }
    this.#dropHeldRuns()
  }

  /** Runs of which every record is held have nothing to be sent for. */
  #dropHeldRuns(): void {
    if (this.#stopped.size === 0) return
    this.#runs = this.#runs.map((run) => run.filter((index) => !this.#held(index))).filter((run) => run.length > 0)
  }

  #stop(index: number, outcome: PublishFailure): void {
    this.#parts.outcomes[index] = outcome
    const key = orderKey(this.#parts.records[index] as OutgoingRecord)
    if (key !== null) this.#stopped.add(key)
  }

  /** Takes from the first run as many indexes as fit one batch. */
  #take(nowMs: number): { readonly indexes: readonly number[]; readonly estimate: number } {
    const run = this.#runs[0]
    if (run === undefined) return { indexes: [], estimate: 0 }
    const { records, limits } = this.#parts
    const most = limits.of(this.topic, nowMs)
    let estimate = 0
    let end = 0
    for (; end < run.length; end++) {
      const next = estimate + recordSizeEstimate(records[run[end] as number] as OutgoingRecord)
      if (end > 0 && next > most) break
      estimate = next
    }
    if (end === run.length) {
      this.#runs.shift()
      return { indexes: run, estimate }
    }
    this.#runs[0] = run.slice(end)
    return { indexes: run.slice(0, end), estimate }
  }

  #held(index: number): boolean {
    if (this.#stopped.size === 0) return false
    const key = orderKey(this.#parts.records[index] as OutgoingRecord)
    if (key === null || !this.#stopped.has(key)) return false
    this.#parts.outcomes[index] = { status: 'held' }
    return true
  }
}

type PublishFailure = Extract<PublishOutcome, { status: 'refused' | 'failed' }>
