import { createHash } from 'node:crypto'
import type { WireRecord } from '@oncebox/core'
import { headerBytes, type OutgoingRecord } from '@oncebox/transport'

/** A record as a job carries it, in jsonb: base64, because jsonb knows neither bytes nor the character NUL. */
export interface JobData {
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [name: string, value: string | null])[]
  /** Publish time, milliseconds since the Unix epoch. */
  readonly at: number
}

/** Longest key that is its own ordering key: index entries of Postgres end near 2,700 bytes. */
const longestPlainKey = 512

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function encodeJob(record: OutgoingRecord, at: number): JobData {
  return {
    key: base64(record.key),
    value: base64(record.value),
    headers: headerBytes(record.headers).map(([name, value]) => [
      Buffer.from(name, 'utf8').toString('base64'),
      base64(value),
    ]),
    at,
  }
}

export function decodeJob(topic: string, data: JobData): WireRecord {
  return {
    topic,
    partition: 0,
    offset: null,
    timestamp: data.at,
    key: bytes(data.key),
    value: bytes(data.value),
    headers: data.headers.map(([name, value]) => [Buffer.from(name, 'base64').toString('utf8'), bytes(value)]),
  }
}

/**
 * What pg-boss orders a job by: the same for records of the same key, of its own for a record without a key. Readable
 * where the key is text; a prefix keeps the three kinds apart.
 */
export function singletonKey(key: Uint8Array | null, jobId: string): string {
  if (key === null) return `job:${jobId}`
  if (key.length <= longestPlainKey) {
    try {
      const text = utf8.decode(key)
      if (!text.includes('\0')) return `key:${text}`
    } catch {
      // Bytes that are not text: hashed like the long ones.
    }
  }
  return `sha256:${createHash('sha256').update(key).digest('hex')}`
}

/** Key, value and headers together, in bytes. */
export function recordBytes(record: OutgoingRecord): number {
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const [name, value] of headerBytes(record.headers)) bytes += Buffer.byteLength(name) + (value?.length ?? 0)
  return bytes
}

function base64(value: Uint8Array | null): string | null {
  return value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
}

function bytes(value: string | null): Uint8Array | null {
  return value === null ? null : Buffer.from(value, 'base64')
}
