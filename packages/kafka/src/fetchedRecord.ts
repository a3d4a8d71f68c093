import type { RawHeader, WireRecord } from '@oncebox/core'
import { ByteReader } from './byteReader.js'

export interface Place {
  readonly topic: string
  readonly partition: number
}

/** What a batch says of all its records. */
export interface BatchBase {
  readonly offset: number
  readonly timestamp: number
  /** On topics with append time: the time of all records. */
  readonly appendTime: number | null
}

/** A record as it was fetched. Its headers are decoded when somebody asks for them. */
export class FetchedRecord implements WireRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly #bytes: Buffer
  readonly #headersAt: number
  #headers: readonly RawHeader[] | null = null

  /** Reads the record at `reader`'s position, behind its length, up to its headers. */
  constructor(reader: ByteReader, place: Place, base: BatchBase) {
    this.topic = place.topic
    this.partition = place.partition
    reader.position++ // attributes
    const timestampDelta = reader.varlong()
    this.timestamp = base.appendTime ?? base.timestamp + timestampDelta
    this.offset = String(base.offset + reader.varint())
    this.key = reader.varintBytes()
    this.value = reader.varintBytes()
    this.#bytes = reader.bytes
    this.#headersAt = reader.position
  }

  get headers(): readonly RawHeader[] {
    this.#headers ??= readHeaders(new ByteReader(this.#bytes, this.#headersAt))
    return this.#headers
  }
}

function readHeaders(reader: ByteReader): readonly RawHeader[] {
  const length = reader.varint()
  return Array.from({ length }, (): RawHeader => {
    const name = (reader.varintBytes() ?? Buffer.alloc(0)).toString('utf8')
    return [name, reader.varintBytes()]
  })
}
