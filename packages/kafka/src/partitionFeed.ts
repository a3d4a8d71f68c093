import type { SubscribeOptions, TopicPartition } from '@oncebox/transport'
import type { FetchedRecord } from './fetchedRecord.js'
import type { FetchedPartition } from './fetchResponse.js'
import { RecordBatchReader } from './recordBatchReader.js'

interface Fetched {
  readonly reader: RecordBatchReader
  readonly bytes: number
}

const largestFetchBytes = 128 << 20

/**
 * What was fetched of a partition and is not done yet. Record batches are decoded as batches are taken. Times are those
 * of the caller's clock. No I/O.
 */
export class PartitionFeed {
  readonly partition: TopicPartition
  /** How many bytes a fetch may bring: more once a record batch turned out to be larger. */
  fetchBytes: number
  /** A batch of it is running. */
  busy = false
  /** Not fetched before: after an error. */
  fetchNotBefore = 0
  /** Not delivered before: the handler asked for a pause. */
  deliverNotBefore = 0
  /** The next offset to fetch. */
  #fetchOffset: number
  #fetched: Fetched[] = []
  #decoded: FetchedRecord[] = []
  /** How many of the decoded ones are done. */
  #done = 0
  #bufferedBytes = 0
  /** The offset after everything that was decoded. */
  #decodedUpTo: number

  constructor(partition: TopicPartition, offset: bigint, fetchBytes: number) {
    this.partition = partition
    this.fetchBytes = fetchBytes
    this.#fetchOffset = Number(offset)
    this.#decodedUpTo = this.#fetchOffset
  }

  get fetchOffset(): number {
    return this.#fetchOffset
  }

  /** About how many bytes are kept here. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** True when there is, or may be, something to take. */
  get filled(): boolean {
    return this.#done < this.#decoded.length || this.#fetched.length > 0
  }

  /** Adds what a fetch from `fetchOffset` brought. */
  add({ records, aborted }: Pick<FetchedPartition, 'records' | 'aborted'>): void {
    const upTo = endOf(records)
    if (upTo === null) {
      // A part of one batch: a broker sends a larger one whole only where it is the first of its answer.
      this.fetchBytes = Math.min(this.fetchBytes * 2, largestFetchBytes)
      return
    }
    const { topic, partition } = this.partition
    const reader = new RecordBatchReader({ topic, partition }, records, { from: this.#fetchOffset, aborted })
    this.#fetched.push({ reader, bytes: records.length })
    this.#bufferedBytes += records.length
    this.#fetchOffset = upTo
  }

  /**
   * The next records within the limits, which stay here until they are `settle`d; a larger record comes alone. Empty
   * when what was fetched held none for us. @throws UnreadableBatch
   */
  take({ maxRecords, maxBytes }: Pick<SubscribeOptions, 'maxRecords' | 'maxBytes'>): readonly FetchedRecord[] {
    this.#decode(maxRecords)
    let end = this.#done
    let bytes = 0
    for (; end < this.#decoded.length && end - this.#done < maxRecords; end++) {
      bytes += this.#decoded[end]?.value?.length ?? 0
      if (bytes > maxBytes && end > this.#done) break
    }
    return this.#decoded.slice(this.#done, end)
  }

  /** The first `count` of the records taken are done. Returns the offset to commit. */
  settle(count: number): bigint {
    this.#done += count
    const next = this.#decoded[this.#done]
    // After the last record there may be a transaction's control record, or compacted ones, which no handler sees.
    return next === undefined ? BigInt(this.#decodedUpTo) : BigInt(next.offset)
  }

  /** Forgets what is not done: it is fetched again. */
  rewind(): void {
    const next = this.#decoded[this.#done]
    this.seek(next === undefined ? this.#decodedUpTo : Number(next.offset))
  }

  seek(offset: number): void {
    this.#fetchOffset = offset
    this.#decodedUpTo = offset
    this.#fetched = []
    this.#decoded = []
    this.#done = 0
    this.#bufferedBytes = 0
  }

  #decode(wanted: number): void {
    while (this.#decoded.length - this.#done < wanted && this.#fetched.length > 0) {
      const { reader, bytes } = this.#fetched[0] as Fetched
      const batch = reader.next()
      if (batch === null) {
        this.#fetched.shift()
        this.#bufferedBytes -= bytes
        continue
      }
      this.#decodedUpTo = batch.nextOffset
      if (this.#done > 0) {
        this.#decoded = this.#decoded.slice(this.#done)
        this.#done = 0
      }
      if (this.#decoded.length === 0) this.#decoded = batch.records as FetchedRecord[]
      else for (const record of batch.records) this.#decoded.push(record)
    }
  }
}

/** The offset after the last whole batch of fetched bytes; null when there is none. */
function endOf(records: Buffer): number | null {
  let end: number | null = null
  for (let at = 0; at + 61 <= records.length; ) {
    const next = at + 12 + records.readInt32BE(at + 8)
    if (next > records.length) break
    end = Number(records.readBigInt64BE(at)) + records.readInt32BE(at + 23) + 1
    at = next
  }
  return end
}
