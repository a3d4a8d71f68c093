import { createHash } from 'node:crypto'
import { isUuid, isUuidV7, uuidV7Time, type WireRecord } from '@oncebox/core'

/** How a message is told from others. */
export interface MessageId {
  /** `ring`: a UUIDv7, whose time decides its leaf. `foreign`: any other text. `none`: the record names no usable id. */
  readonly kind: 'ring' | 'foreign' | 'none'
  /** UUIDs in lower case; for `none`, where the record was read. */
  readonly id: string
  /** As stored: part of the identity of foreign ids. */
  readonly source: string
  /** Equal for two records exactly when they are the same message. */
  readonly identity: string
  /** Milliseconds: the time in a UUIDv7, the record's own for others; infinite when the record has none. */
  readonly timeMs: number
}

// The id and its source stand together in unique indexes, whose entries may not exceed a third of a page.
const longestBytes = 1000

/**
 * The identity of a record. An id or source that is not UTF-8, holds a NUL, or is over 1,000 bytes would fail the
 * transaction or be mistaken for another: it counts as none.
 */
export function messageIdOf(record: WireRecord, id: string, source: string): MessageId {
  if (isUuidV7(id)) {
    const lower = id.toLowerCase()
    return { kind: 'ring', id: lower, source: storable(source), identity: lower, timeMs: uuidV7Time(lower) }
  }
  if (id === '' || !isStorable(id) || !isStorable(source)) {
    const place = placeOf(record)
    return { kind: 'none', id: place, source: storable(source), identity: place, timeMs: recordTime(record) }
  }
  const text = isUuid(id) ? id.toLowerCase() : id
  return { kind: 'foreign', id: text, source, identity: foreignIdentity(source, text), timeMs: recordTime(record) }
}

/** Kafka says -1 for a record without a time: it cannot be told to be late. */
function recordTime(record: WireRecord): number {
  return record.timestamp > 0 ? record.timestamp : Number.POSITIVE_INFINITY
}

/** NUL can be in neither part, so it parts them. */
export function foreignIdentity(source: string, id: string): string {
  return `${source}\0${id}`
}

/** Text that a text column and an index entry can hold: NULs replaced, cut to 1,000 bytes. */
export function storable(text: string): string {
  // Three bytes are the most that a unit of a string takes.
  if (text.length * 3 <= longestBytes && !text.includes('\0') && text.isWellFormed()) return text
  const clean = text.replaceAll('\0', '\uFFFD').toWellFormed()
  if (Buffer.byteLength(clean) <= longestBytes) return clean
  return Buffer.from(clean)
    .subarray(0, longestBytes)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
}

// U+FFFD stands where bytes were not UTF-8: two different ids may have become the same text.
function isStorable(text: string): boolean {
  return !text.includes('\0') && !text.includes('\uFFFD') && Buffer.byteLength(text) <= longestBytes
}

/** `topic/partition/offset`; on a transport without offsets a digest of the record stands for the offset. */
function placeOf(record: WireRecord): string {
  return `${record.topic}/${record.partition}/${record.offset ?? digestOf(record)}`
}

function digestOf(record: WireRecord): string {
  const hash = createHash('sha256').update(`${record.timestamp}\0`)
  for (const bytes of [record.key, record.value, ...record.headers.map(([, value]) => value)]) {
    hash.update(bytes === null ? '-' : `${bytes.length}\0`)
    if (bytes !== null) hash.update(bytes)
  }
  for (const [name] of record.headers) hash.update(`${name}\0`)
  return `sha256-${hash.digest('hex').slice(0, 32)}`
}
