import type { MessageContracts, MessageInput } from '@oncebox/core'

/** What a producer may say about any message beside its data. */
export interface EmitOptions {
  /** The ordering key; null: no order. Default: the contract's, else null. */
  readonly key?: string | null
  /** Headers of the record, beside `ce_*`, `content-type` and trace context. Default: none. */
  readonly headers?: Readonly<Record<string, string>>
  /**
   * The global id, any UUID. Default: a new UUIDv7. Consumers keep ids that are not UUIDv7 in a slower table; the time
   * inside a UUIDv7 is what they count their horizon from.
   */
  readonly id?: string
  /** Not before this time, at most a year from now. A time that has passed means at once. Default: at once. */
  readonly deliverAt?: Date
  /** Default: by the data: `application/json`, `text/plain; charset=utf-8` or `application/octet-stream`. */
  readonly contentType?: string
}

/** A message without a contract. */
export interface OutgoingMessage extends EmitOptions {
  /** Where it is published: 1 to 249 characters that Kafka takes for a topic's name. */
  readonly topic: string
  /** CloudEvents type. */
  readonly type: string
  /**
   * JSON unless it is a `Uint8Array` or a `string`, which pass as they are. Null is a tombstone: a record without a
   * value, which compacted topics take as "the key is gone".
   */
  readonly data: unknown
}

/** A message of a contract: topic and key follow from its type. */
export type ContractMessage<C extends MessageContracts> = {
  [T in keyof C & string]: EmitOptions & { readonly type: T; readonly data: MessageInput<C, T> }
}[keyof C & string]

/** A message as it is written: checked and encoded. */
export interface OutboxEntry {
  readonly id: string
  readonly topic: string
  readonly key: string | null
  readonly type: string
  readonly contentType: string | null
  /** A JSON object of strings, as text. */
  readonly headers: string | null
  readonly payload: Uint8Array | null
  /** When it is due, if that lies ahead. */
  readonly dueAt: Date | null
}
