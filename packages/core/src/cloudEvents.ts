import type { Message, OutboxRow, RawHeader } from './message.js'

/**
 * The wire format: CloudEvents 1.0, Kafka protocol binding, binary content mode. Attributes are headers `ce_*`, the
 * data's media type is the header `content-type`, the value is the payload as it is.
 */
const specVersion = '1.0'
const attributePrefix = 'ce_'
const contentTypeHeader = 'content-type'

/** True for a header name that the wire format owns, in any case: users may not set it. */
export function isReservedHeader(name: string): boolean {
  return reservedName(name) !== null
}

type Header = readonly [name: string, value: string]

/** A frozen tuple for each value of a header that most messages share: few at a time, and none is kept for ever. */
const maxShared = 1_000
const specHeader: Header = Object.freeze(['ce_specversion', specVersion] as const)
const typeHeader = sharedHeaders('ce_type')
const sourceHeader = sharedHeaders('ce_source')
const mediaTypeHeader = sharedHeaders(contentTypeHeader)

/**
 * The headers of a row that all messages of its type, source and media type have, in a fixed order: each one frozen object
 * in all of them, so that a transport may keep its encoding.
 */
export function constantHeaders(row: Pick<OutboxRow, 'type' | 'source' | 'contentType'>): Header[] {
  const headers: Header[] = [specHeader, typeHeader(row.type), sourceHeader(row.source)]
  if (row.contentType !== null) headers.push(mediaTypeHeader(row.contentType))
  return headers
}

/** The headers that a row holds for its user. Rows written around `emit` may hold any JSON there. */
export function userHeaders(headers: unknown): [name: string, value: string][] {
  if (headers === null || typeof headers !== 'object') return []
  return Object.entries(headers).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
}

/** All record headers of a row: those that differ by message last. */
export function encodeHeaders(row: OutboxRow): Header[] {
  return [...constantHeaders(row), ['ce_id', row.id], ['ce_time', row.createdAt], ...userHeaders(row.headers)]
}

function sharedHeaders(name: string): (value: string) => Header {
  const shared = new Map<string, Header>()
  return (value) => {
    const known = shared.get(value)
    if (known !== undefined) return known
    if (shared.size >= maxShared) shared.clear()
    const header: Header = Object.freeze([name, value] as const)
    shared.set(value, header)
    return header
  }
}

/** A record as a subscriber hands it over. */
export interface WireRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: string | null
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RawHeader[]
  /** Whether it was handed out before, where the transport knows of each record; one with offsets does not. */
  readonly redelivered?: boolean
}

/**
 * The envelope of a record: everything of a `Message` but its decoded data. `id` and `type` are empty when the record
 * names none. Understands our own headers and those of Debezium's outbox event router (`id`, `eventType`).
 */
export type Envelope = Omit<Message, 'data'>

/**
 * The envelope of a record. Names that repeat: the last one counts in `headers`, all are in `rawHeaders`. Never throws:
 * bytes that are not UTF-8 are replaced in the text fields and kept in the raw ones.
 */
export function decodeEnvelope(record: WireRecord): Envelope {
  let id: string | undefined
  let type: string | undefined
  let source = ''
  let created: string | undefined
  let contentType: string | null = null
  const headers: Record<string, string> = Object.create(null)
  // This runs for every message: what nobody reads is not decoded.
  for (const [name, value] of record.headers) {
    if (value === null) continue
    switch (reservedName(name)) {
      case null:
        headers[name] = utf8(value)
        break
      case 'ce_id':
        id = utf8(value)
        break
      case 'ce_type':
        type = utf8(value)
        break
      case 'ce_source':
        source = utf8(value)
        break
      case 'ce_time':
        created = utf8(value)
        break
      case contentTypeHeader:
        contentType = utf8(value)
    }
  }
  const time = new Date(created ?? record.timestamp)
  return {
    id: id ?? headers.id ?? '',
    topic: record.topic,
    key: record.key === null ? null : utf8(record.key),
    type: type ?? headers.eventType ?? '',
    source,
    time: Number.isNaN(time.getTime()) ? new Date(record.timestamp) : time,
    headers,
    contentType,
    payload: record.value,
    rawKey: record.key,
    rawHeaders: record.headers,
    partition: record.partition,
    offset: record.offset,
  }
}

/** The name in lower case where the wire format owns it, else null: all of those begin with one letter. */
function reservedName(name: string): string | null {
  const first = name.charCodeAt(0)
  if (first !== 0x63 && first !== 0x43) return null
  const lower = name.toLowerCase()
  return lower === contentTypeHeader || lower.startsWith(attributePrefix) ? lower : null
}

function utf8(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return buffer.toString('utf8')
}
