/** A header of a transport record: any name, any bytes (null where the transport knows header values without bytes). */
export type RawHeader = readonly [name: string, value: Uint8Array | null]

/** A message as a handler receives it. */
export interface Message<Data = unknown> {
  /** The global id: a UUIDv7 for messages of oncebox, any non-empty text for foreign ones. */
  readonly id: string
  /** Where it was published. */
  readonly topic: string
  /** The key as UTF-8 text, null when the record has none. Bytes that are not UTF-8 are replaced; see `rawKey`. */
  readonly key: string | null
  /** The CloudEvents type, by which handlers are chosen. */
  readonly type: string
  /** The CloudEvents source: the service that emitted it. Empty when a foreign record names none. */
  readonly source: string
  /** When the producer wrote it, or when it came due (`deliverAt`); the record's own time when a foreign record names none. */
  readonly time: Date
  /** Decoded: JSON by content type, otherwise text or bytes; validated by the message contract where there is one. */
  readonly data: Data
  /** The user's own headers as UTF-8 text (no `ce_*`, no `content-type`), without a prototype. */
  readonly headers: Readonly<Record<string, string>>
  /** The media type of `payload`, null when the record names none. */
  readonly contentType: string | null
  /** The value's bytes as they came; null for a tombstone. */
  readonly payload: Uint8Array | null
  /** The key's bytes as they came, null when the record has none. */
  readonly rawKey: Uint8Array | null
  /** All headers of the record, in order; names may repeat. */
  readonly rawHeaders: readonly RawHeader[]
  /** Where it was read; 0 on transports that have none. */
  readonly partition: number
  /** Decimal text; null on transports that have none. */
  readonly offset: string | null
}

/** One row of the outbox as the relay reads it and the wire format encodes it. */
export interface OutboxRow {
  /** Decimal text of a 64-bit number. */
  readonly position: string
  readonly id: string
  readonly source: string
  readonly topic: string
  readonly key: string | null
  readonly type: string
  readonly headers: Readonly<Record<string, string>> | null
  readonly payload: Uint8Array | null
  readonly contentType: string | null
  /** RFC 3339 in UTC, microseconds. */
  readonly createdAt: string
}
