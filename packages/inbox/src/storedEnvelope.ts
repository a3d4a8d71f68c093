import type { RawHeader, WireRecord } from '@oncebox/core'
import type { Item } from './decode.js'
import { storable } from './messageId.js'

/** A message whole, as `json_to_recordset` takes it with `envelopeColumns`; bytes are base64. */
export interface StoredEnvelope {
  readonly source: string
  readonly message_id: string
  readonly topic: string
  readonly partition: number
  readonly record_offset: string | null
  readonly time_ms: number
  readonly type: string
  readonly content_type: string | null
  readonly key: string | null
  readonly payload: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

export const envelopeColumns = `source text, message_id text, topic text, partition integer, record_offset bigint,
  time_ms bigint, type text, content_type text, key text, payload text, headers jsonb`

export function envelopeOf({ record, id, type, contentType }: Item): StoredEnvelope {
  return {
    source: id.source,
    message_id: id.id,
    topic: record.topic,
    partition: record.partition,
    record_offset: record.offset,
    time_ms: storableTime(record.timestamp),
    type: storable(type),
    content_type: contentType === null ? null : storable(contentType),
    key: base64(record.key),
    payload: base64(record.value),
    headers: record.headers.map(([name, value]) => [storable(name), base64(value)] as const),
  }
}

/** What `recordColumns` selects. */
export interface RecordRow {
  readonly topic: string
  readonly partition: number
  readonly offset: string | null
  readonly timeMs: string
  readonly key: string | null
  readonly payload: string | null
  readonly headers: string
}

/** The columns of a stored record, for a SELECT that every driver answers alike. */
export const recordColumns = `topic, partition, record_offset::text AS "offset",
  (extract(epoch FROM record_time) * 1000)::bigint::text AS "timeMs",
  encode(key, 'base64') AS key, encode(payload, 'base64') AS payload, headers::text AS headers`

/** The record as it came. */
export function recordOfRow(row: RecordRow): WireRecord {
  const headers = JSON.parse(row.headers) as [string, string | null][]
  return {
    topic: row.topic,
    partition: row.partition,
    offset: row.offset,
    timestamp: Number(row.timeMs),
    key: bytesOf(row.key),
    value: bytesOf(row.payload),
    headers: headers.map(([name, value]): RawHeader => [name, bytesOf(value)]),
  }
}

function bytesOf(text: string | null): Uint8Array | null {
  return text === null ? null : Buffer.from(text, 'base64')
}

function base64(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** A record's time may be any 64-bit number; timestamptz holds fewer. */
function storableTime(ms: number): number {
  return Number.isFinite(ms) && ms >= 0 && ms <= 8.64e15 ? Math.trunc(ms) : 0
}
