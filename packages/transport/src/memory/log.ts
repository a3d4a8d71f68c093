import { type Clock, type ErrorCode, partitionOf, type WireRecord } from '@oncebox/core'
import { headerBytes, type OutgoingRecord } from '../publisher.js'
import type { MemoryTransportOptions, RefuseRule } from './options.js'

interface Topic {
  readonly id: string
  readonly partitions: WireRecord[][]
  /** All records in the order in which they were written, across partitions. */
  readonly written: WireRecord[]
}

/** The topics of an in-memory transport: append-only arrays of records. */
export class Log {
  readonly clock: Clock
  refuseRule: RefuseRule | null = null
  readonly #topics = new Map<string, Topic>()
  readonly #defaultPartitions: number
  readonly #maxRecordBytes: number
  readonly #createMissing: boolean
  readonly #onAppend = new Set<() => void>()
  #topicsMade = 0
  #nextPartition = 0

  constructor(options: MemoryTransportOptions, clock: Clock) {
    this.clock = clock
    this.#defaultPartitions = options.partitions ?? 3
    this.#maxRecordBytes = options.maxRecordBytes ?? 1_000_000
    this.#createMissing = (options.missingTopics ?? 'create') === 'create'
  }

  create(name: string, partitions: number): void {
    if (this.#topics.has(name)) return
    const id = `memory-${++this.#topicsMade}`
    this.#topics.set(name, { id, partitions: Array.from({ length: partitions }, () => []), written: [] })
  }

  /** The topic's id and its number of partitions; undefined when it is missing and not created by use. */
  use(name: string): { readonly id: string; readonly partitions: number } | undefined {
    if (this.#createMissing) this.create(name, this.#defaultPartitions)
    const topic = this.#topics.get(name)
    return topic && { id: topic.id, partitions: topic.partitions.length }
  }

  records(name: string): readonly WireRecord[] {
    return this.#topics.get(name)?.written ?? []
  }

  partition(name: string, partition: number): readonly WireRecord[] {
    return this.#topics.get(name)?.partitions[partition] ?? []
  }

  /** Why a record cannot be taken, or null. */
  objection(record: OutgoingRecord): { readonly code: ErrorCode; readonly reason: string } | null {
    const topic = this.use(record.topic)
    if (topic === undefined) return { code: 'TOPIC_MISSING', reason: `topic ${record.topic} does not exist` }
    const rule = this.refuseRule?.(record) ?? null
    if (rule !== null) return { code: rule, reason: 'refused by the rule the test has set' }
    if (record.partition !== null && record.partition >= topic.partitions) {
      return { code: 'RECORD_REFUSED', reason: `topic ${record.topic} has no partition ${record.partition}` }
    }
    const bytes = recordBytes(record)
    if (bytes > this.#maxRecordBytes) {
      return { code: 'RECORD_TOO_LARGE', reason: `${bytes} bytes, ${this.#maxRecordBytes} are allowed` }
    }
    return null
  }

  /** Appends a record that has no objection. The bytes are copied, as a network would. */
  append(record: OutgoingRecord): { readonly partition: number; readonly offset: number } {
    const topic = this.#topics.get(record.topic) as Topic
    const count = topic.partitions.length
    const partition =
      record.partition ?? (record.key === null ? this.#nextPartition++ % count : partitionOf(record.key, count))
    const records = topic.partitions[partition] as WireRecord[]
    const written: WireRecord = {
      topic: record.topic,
      partition,
      offset: String(records.length),
      timestamp: this.clock.now(),
      key: record.key === null ? null : Buffer.from(record.key),
      value: record.value === null ? null : Buffer.from(record.value),
      headers: headerBytes(record.headers).map(([name, value]) => [name, value === null ? null : Buffer.from(value)]),
    }
    records.push(written)
    topic.written.push(written)
    return { partition, offset: records.length - 1 }
  }

  onAppend(listener: () => void): () => void {
    this.#onAppend.add(listener)
    return () => this.#onAppend.delete(listener)
  }

  announce(): void {
    for (const listener of this.#onAppend) listener()
  }
}

function recordBytes(record: OutgoingRecord): number {
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const [name, value] of record.headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(value)
  return bytes
}
