import type { OutgoingRecord, RecordSink } from '@oncebox/transport'
import { ByteWriter, varintLength } from './byteWriter.js'

type Header = OutgoingRecord['headers'][number]

/** More than the lengths of a header take. */
const headerFraming = 16
/** Its length takes one byte. */
const longestShortText = 63

/** Encodings of the arrays of constant headers that records share, by identity. */
const encoded = new WeakMap<object, Buffer>()

/** Writes the parts of records as record batches hold them (Kafka protocol, "Record" and "Record Header"). */
export class RecordWriter extends ByteWriter implements RecordSink {
  #lastConstant: readonly Header[] | undefined
  #lastEncoded: Buffer = Buffer.alloc(0)

  part(bytes: Uint8Array | null, from: number, to: number): void {
    if (bytes === null) {
      this.varint(-1)
      return
    }
    this.reserve(headerFraming + to - from)
    this.varint(to - from)
    this.range(bytes, from, to)
  }

  headerCount(count: number): void {
    this.reserve(headerFraming)
    this.varint(count)
  }

  constantHeaders(headers: readonly Header[]): void {
    if (headers !== this.#lastConstant) {
      this.#lastEncoded = encoded.get(headers) ?? this.#encode(headers)
      this.#lastConstant = headers
    }
    this.reserve(this.#lastEncoded.length)
    this.bytes(this.#lastEncoded)
  }

  header(name: string, bytes: Uint8Array, from: number, to: number): void {
    // UTF-8 takes at most three bytes a UTF-16 unit.
    this.reserve(headerFraming + name.length * 3 + to - from)
    this.#text(name)
    this.varint(to - from)
    this.range(bytes, from, to)
  }

  textHeader(name: string, value: string): void {
    this.reserve(headerFraming + (name.length + value.length) * 3)
    this.#text(name)
    this.#text(value)
  }

  #encode(headers: readonly Header[]): Buffer {
    const start = this.position
    for (const [name, value] of headers) {
      if (typeof value === 'string') this.textHeader(name, value)
      else this.header(name, value, 0, value.length)
    }
    const bytes = Buffer.from(this.buffer.subarray(start, this.position))
    this.position = start
    encoded.set(headers, bytes)
    return bytes
  }

  #text(text: string): void {
    if (text.length <= longestShortText && this.#shortText(text)) return
    // One byte of length is right for nearly every header.
    const start = this.position
    const written = this.buffer.write(text, start + 1, 'utf8')
    const lengthBytes = varintLength(written)
    if (lengthBytes !== 1) this.buffer.copyWithin(start + lengthBytes, start + 1, start + 1 + written)
    this.varint(written)
    this.position = start + lengthBytes + written
  }

  /** Writes short ASCII, as nearly all is, without a call into C++. Returns false, with nothing written, for other text. */
  #shortText(text: string): boolean {
    const { buffer } = this
    let at = this.position
    buffer[at++] = text.length << 1
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) return false
      buffer[at++] = code
    }
    this.position = at
    return true
  }
}
