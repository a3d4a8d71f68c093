import type { OutgoingRecord } from './publisher.js'

type Header = OutgoingRecord['headers'][number]

/**
 * Takes the parts of one record in this order: key, value, number of headers, headers. A transport that writes requests
 * itself copies them where they belong, with no object in between. Bytes are lent for the call only.
 */
export interface RecordSink {
  /** The key, then the value: what lies from `from` up to `to`; null where there is none. */
  part(bytes: Uint8Array | null, from: number, to: number): void
  /** How many headers follow, the constant ones included. */
  headerCount(count: number): void
  /** Headers that many records share: one array in all of them, so that its encoding can be kept. */
  constantHeaders(headers: readonly Header[]): void
  /** A header whose value is the bytes `from` up to `to`. */
  header(name: string, bytes: Uint8Array, from: number, to: number): void
  /** A header whose value is text, in UTF-8. */
  textHeader(name: string, value: string): void
}

/** Hands the parts of a record to `sink`. */
export function writeRecordTo(record: OutgoingRecord, sink: RecordSink): void {
  if (record.writeTo !== undefined) {
    record.writeTo(sink)
    return
  }
  const { key, value, headers } = record
  sink.part(key, 0, key?.length ?? 0)
  sink.part(value, 0, value?.length ?? 0)
  sink.headerCount(headers.length)
  for (const [name, content] of headers) {
    if (typeof content === 'string') sink.textHeader(name, content)
    else sink.header(name, content, 0, content.length)
  }
}
