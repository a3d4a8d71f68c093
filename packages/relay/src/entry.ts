import { partitionOf, userHeaders } from '@oncebox/core'
import type { OutgoingRecord, RecordSink } from '@oncebox/transport'
import { keyMark } from './keyFilter.js'
import type { LedgerPage } from './ledger.js'
import type { Template, Templates } from './template.js'
import { onlyTraceparent, sampledTraceparent, valueLength } from './traceparent.js'
import { timeBytes, unixMs, writeTime } from './wireTime.js'

/** A message read and not yet published or parked: the record that is sent, and what the relay knows of it. */
export interface Entry extends OutgoingRecord {
  /** Its place in the outbox. */
  readonly position: number
  /** When it was written, in milliseconds since the Unix epoch. */
  readonly writtenAt: number
  readonly keyed: boolean
  /** The key as text; null without one. */
  readonly keyText: string | null
  /** See `keyMark`; 0 without a key. */
  readonly keyMark: number
  /** See `groupOf`. */
  readonly group: string
  /** See `unitOf`. */
  readonly unit: string
  /** Bytes it holds in memory, about. */
  readonly bytes: number
  readonly partition: number | null
  /** Of a message whose trace is sampled; undefined for all others. */
  readonly traceparent: string | undefined
  /** What stands beside a `traceparent`, if anything does; of a message whose trace is sampled. */
  readonly tracestate: string | undefined
  /** Whether `partition` is what it has to be. */
  readonly assigned: boolean
  /** Finds its partition among those pinned for the topic; 0 where the transport has none. */
  assign(partitions: number): void
  /** Lets go of the bytes that it was read among, because it may stay for long. */
  detach(): void
  /** The ledger's own mark: where the message is on account; null before it was opened and after it was settled. */
  page: LedgerPage | null
}

/**
 * Names what is ordered among itself: all messages of a topic with one key, and the topic's messages without a key,
 * which have no order but are retried together. No topic name holds a NUL.
 */
export function groupOf(topic: string, key: string | null): string {
  return key === null ? `\0${topic}` : `${topic}\0${key}`
}

/**
 * Names what fails together, and waits together for another try: all messages of a partition; where there are no
 * partitions, those of a group. Before its partition is known, a message waits with all others of its topic.
 */
export function unitOf(entry: Pick<Entry, 'topic' | 'group' | 'partition' | 'assigned'>): string {
  if (!entry.assigned) return unresolvedUnit(entry.topic)
  return entry.partition === null ? entry.group : partitionUnit(entry.topic, entry.partition)
}

export function unresolvedUnit(topic: string): string {
  return `\0\0${topic}`
}

export function partitionUnit(topic: string, partition: number): string {
  return `\0${partition}\0${topic}`
}

/** Columns that a row is read in, in this order; what every message of a type shares stands side by side. */
export const entryColumns = 'position, id, created_at, source, topic, type, content_type, key, headers, payload'

/** What the object of an entry and its outcome take, about. */
const objectBytes = 300
/** What a record has more than its row, about: the names of headers, and id and time as text. */
const framingBytes = 120
const uuidBytes = 16
/** From the start of a row's columns to its id. */
const idOffset = 16
/** jsonb's binary form is its length, its version (one byte), and its text. */
const jsonbTextOffset = 5
const hexDigits = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))

/** Where id and time are written as text, to be copied from at once. */
const idText = Buffer.alloc(36)
const timeText = Buffer.alloc(timeBytes)

/** A row of the outbox as it came over the wire in binary format: the bytes that were read, and where its columns lie. */
export class RowEntry implements Entry {
  readonly position: number
  readonly bytes: number
  partition: number | null = null
  assigned = false
  page: LedgerPage | null = null
  #row: Buffer
  #idAt: number
  #keyAt: number
  readonly #template: Template
  #headers: OutgoingRecord['headers'] | undefined

  /** `at`: where the length of the first column stands. */
  constructor(row: Buffer, at: number, end: number, templates: Templates) {
    // Lengths, four bytes each, stand before position (8), id (16) and created_at (8).
    this.position = int64(row, at + 4)
    this.bytes = end - at + objectBytes
    const sharedAt = at + 44
    let next = sharedAt
    for (let column = 0; column < 4; column++) next = behind(row, next)
    this.#row = row
    this.#idAt = at + idOffset
    this.#keyAt = next
    this.#template = templates.of(row, sharedAt, next)
  }

  get topic(): string {
    return this.#template.topic
  }

  get writtenAt(): number {
    return unixMs(int64(this.#row, this.#idAt + uuidBytes + 4))
  }

  get keyed(): boolean {
    return this.#row.readInt32BE(this.#keyAt) >= 0
  }

  get key(): Buffer | null {
    return column(this.#row, this.#keyAt)
  }

  get value(): Buffer | null {
    return column(this.#row, behind(this.#row, behind(this.#row, this.#keyAt)))
  }

  get headers(): OutgoingRecord['headers'] {
    this.#headers ??= this.#allHeaders()
    return this.#headers
  }

  get size(): number {
    return this.bytes - objectBytes + framingBytes
  }

  get keyText(): string | null {
    const from = this.#keyAt + 4
    const length = this.#row.readInt32BE(this.#keyAt)
    return length < 0 ? null : this.#row.toString('utf8', from, from + length)
  }

  get keyMark(): number {
    const from = this.#keyAt + 4
    const length = this.#row.readInt32BE(this.#keyAt)
    return length < 0 ? 0 : keyMark(this.#row, from, from + length)
  }

  get group(): string {
    return groupOf(this.topic, this.keyText)
  }

  get unit(): string {
    return unitOf(this)
  }

  get traceparent(): string | undefined {
    const at = behind(this.#row, this.#keyAt)
    const length = this.#row.readInt32BE(at)
    return length < 0 ? undefined : sampledTraceparent(this.#row, at + jsonbTextOffset, at + 4 + length)
  }

  get tracestate(): string | undefined {
    const at = behind(this.#row, this.#keyAt)
    if (this.traceparent === undefined) return undefined
    if (onlyTraceparent(this.#row, at + jsonbTextOffset, at + 4 + this.#row.readInt32BE(at)) !== -1) return undefined
    return ownHeaders(this.#row, at).find(([name]) => name === 'tracestate')?.[1]
  }

  assign(partitions: number): void {
    const from = this.#keyAt + 4
    const length = this.#row.readInt32BE(this.#keyAt)
    this.partition = length < 0 || partitions === 0 ? null : partitionOf(this.#row, partitions, from, from + length)
    this.assigned = true
  }

  detach(): void {
    const start = this.#idAt - idOffset
    const length = this.bytes - objectBytes
    if (this.#row.length === length) return
    this.#row = Buffer.from(this.#row.subarray(start, start + length))
    this.#idAt -= start
    this.#keyAt -= start
  }

  writeTo(sink: RecordSink): void {
    const row = this.#row
    const headersAt = behind(row, this.#keyAt)
    const valueAt = behind(row, headersAt)
    writePart(row, this.#keyAt, sink)
    writePart(row, valueAt, sink)
    const constant = this.#template.headers
    const length = row.readInt32BE(headersAt)
    const trace = length < 0 ? -1 : onlyTraceparent(row, headersAt + jsonbTextOffset, headersAt + 4 + length)
    const own = trace === -1 ? ownHeaders(row, headersAt) : none
    sink.headerCount(constant.length + 2 + (trace === -1 ? own.length : 1))
    sink.constantHeaders(constant)
    this.#writeIdAndTime()
    sink.header('ce_id', idText, 0, idText.length)
    sink.header('ce_time', timeText, 0, timeText.length)
    if (trace !== -1) sink.header('traceparent', row, trace, trace + valueLength)
    for (const [name, value] of own) sink.textHeader(name, value)
  }

  #allHeaders(): OutgoingRecord['headers'] {
    this.#writeIdAndTime()
    const own = ownHeaders(this.#row, behind(this.#row, this.#keyAt))
    return [
      ...this.#template.headers,
      ['ce_id', idText.toString('latin1')],
      ['ce_time', timeText.toString('latin1')],
      ...own,
    ]
  }

  #writeIdAndTime(): void {
    writeUuid(this.#row, this.#idAt, idText)
    writeTime(int64(this.#row, this.#idAt + uuidBytes + 4), timeText)
  }
}

/** Bytes of the column whose length stands at `at`; null for NULL. */
function column(row: Buffer, at: number): Buffer | null {
  const length = row.readInt32BE(at)
  return length < 0 ? null : row.subarray(at + 4, at + 4 + length)
}

function writePart(row: Buffer, at: number, sink: RecordSink): void {
  const length = row.readInt32BE(at)
  if (length < 0) sink.part(null, 0, 0)
  else sink.part(row, at + 4, at + 4 + length)
}

/** Where the column after the one at `at` begins. */
function behind(row: Buffer, at: number): number {
  const length = row.readInt32BE(at)
  return at + 4 + Math.max(length, 0)
}

const none: [string, string][] = []

function ownHeaders(row: Buffer, at: number): [name: string, value: string][] {
  const length = row.readInt32BE(at)
  return length < 0 ? none : userHeaders(JSON.parse(row.toString('utf8', at + jsonbTextOffset, at + 4 + length)))
}

/** Positions and times stay far below 2⁵³. */
function int64(row: Buffer, at: number): number {
  return row.readInt32BE(at) * 0x1_0000_0000 + row.readUInt32BE(at + 4)
}

function writeUuid(row: Buffer, from: number, out: Buffer): void {
  let at = 0
  for (let byte = 0; byte < uuidBytes; byte++) {
    if (byte === 4 || byte === 6 || byte === 8 || byte === 10) out[at++] = 0x2d
    const value = row[from + byte] as number
    out[at++] = hexDigits[value >> 4] as number
    out[at++] = hexDigits[value & 15] as number
  }
}
