import { type OutgoingRecord, writeRecordTo } from '@oncebox/transport'
import { compressionsAlgorithms } from '@platformatic/kafka'
import { crc32c } from '@platformatic/wasm-utils'
import { varintLength } from './byteWriter.js'
import type { Compression } from './options.js'
import type { RecordWriter } from './recordWriter.js'

/** Who sends a batch and where it stands in its partition's sequence (Kafka protocol, idempotent producer). */
export interface ProducerStamp {
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Sequence number of the first record, 0 to 2³¹−1. */
  readonly baseSequence: number
}

/** A batch that carries no producer: the broker does not check sequences. */
export const noProducer: ProducerStamp = { producerId: -1n, producerEpoch: -1, baseSequence: -1 }

const headerBytes = 61
const offsetOfCrc = 17
const offsetOfAttributes = 21
/** baseOffset and batchLength do not count into batchLength. */
const bytesBeforeLength = 12
/** More than a record's lengths and deltas take. */
const recordFraming = 32

export interface RecordBatchParts {
  readonly records: readonly OutgoingRecord[]
  /** Which of the records, in which order. */
  readonly indexes: readonly number[]
  /** Of all records: the time of publishing. */
  readonly timestampMs: number
  readonly stamp: ProducerStamp
  readonly compression: Compression
}

/**
 * Writes one record batch, version 2 (Kafka protocol, "Record Batch"; kafka/common/record/DefaultRecordBatch.java), in
 * one pass: header left open, records, then lengths and CRC-32C filled in.
 */
export function writeRecordBatch(out: RecordWriter, parts: RecordBatchParts): void {
  const { records, indexes, stamp } = parts
  const start = out.position
  out.reserve(headerBytes)
  out.position += headerBytes
  for (let i = 0; i < indexes.length; i++) writeRecord(out, records[indexes[i] as number] as OutgoingRecord, i)
  const codec = compressionsAlgorithms[parts.compression]
  if (codec.bitmask !== 0) compress(out, start + headerBytes, codec)
  const end = out.position
  const { buffer } = out

  out.position = start
  out.int64(0n) // base offset: the broker's
  out.int32(end - start - bytesBeforeLength)
  out.int32(-1) // partition leader epoch: the broker's
  out.int8(2) // magic
  out.position += 4 // CRC, below
  out.int16(codec.bitmask) // attributes: compression, create time, no transaction
  out.int32(indexes.length - 1) // last offset delta
  const timestamp = BigInt(parts.timestampMs)
  out.int64(timestamp)
  out.int64(timestamp)
  out.int64(stamp.producerId)
  out.int16(stamp.producerEpoch)
  out.int32(stamp.baseSequence)
  out.int32(indexes.length)
  out.position = end

  buffer.writeUInt32BE(crc32c(buffer.subarray(start + offsetOfAttributes, end)) >>> 0, start + offsetOfCrc)
}

function compress(out: RecordWriter, from: number, codec: (typeof compressionsAlgorithms)[Compression]): void {
  const compressed = codec.compressSync(out.buffer.subarray(from, out.position))
  out.position = from
  out.reserve(compressed.length)
  out.bytes(compressed)
}

function writeRecord(out: RecordWriter, record: OutgoingRecord, offsetDelta: number): void {
  out.reserve(recordFraming)
  // Nearly every record is 64 to 8,191 bytes long, so two bytes are left for its length, and the body is moved when not.
  const start = out.position
  const guess = 2
  out.position += guess
  const bodyStart = out.position
  out.int8(0) // attributes
  out.int8(0) // timestamp delta
  out.varint(offsetDelta)
  writeRecordTo(record, out)

  const length = out.position - bodyStart
  const lengthBytes = varintLength(length)
  if (lengthBytes !== guess) {
    out.reserve(lengthBytes)
    out.buffer.copyWithin(start + lengthBytes, bodyStart, out.position)
  }
  out.position = start
  out.varint(length)
  out.position = start + lengthBytes + length
}

/** About how many bytes a record takes: exact for ASCII headers, up to a few bytes of framing. */
export function recordSizeEstimate(record: OutgoingRecord): number {
  if (record.size !== undefined) return record.size
  let size = 16 + (record.key?.length ?? 0) + (record.value?.length ?? 0)
  const { headers } = record
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i] as OutgoingRecord['headers'][number]
    size += 3 + header[0].length + header[1].length
  }
  return size
}
