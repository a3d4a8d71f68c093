import { compressionsAlgorithmsByBitmask } from '@platformatic/kafka'
import { crc32c } from '@platformatic/wasm-utils'
import { ByteReader } from './byteReader.js'
import { type BatchBase, FetchedRecord, type Place } from './fetchedRecord.js'

/** A transaction that was aborted: its records from `firstOffset` on are not to be seen. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

/** What a batch holds for a consumer. */
export interface ReadBatch {
  readonly records: readonly FetchedRecord[]
  /** The offset after the batch, which may end with records that were compacted away. */
  readonly nextOffset: number
}

/** A batch that cannot be read: an old format, an unknown compression, or damage. */
export class UnreadableBatch extends Error {
  override readonly name = 'UnreadableBatch'
  readonly offset: number

  constructor(what: string, offset: number) {
    super(what)
    this.offset = offset
  }
}

const bytesBeforeLength = 12
const headerBytes = 61
const offsetOfAttributes = 21
const compressionBits = 0b111
const appendTimeBit = 0b1000
const transactionBit = 0b1_0000
const controlBit = 0b10_0000
const abortMarker = 0

/**
 * Reads the record batches that a fetch brought for a partition, one after the other (Kafka protocol, "Record Batch").
 * Leaves out what lies before the wanted offset, control records, and records of aborted transactions.
 */
export class RecordBatchReader {
  readonly #place: Place
  readonly #bytes: Buffer
  readonly #from: number
  readonly #abortedLater: AbortedTransaction[]
  readonly #aborted = new Set<bigint>()
  #position = 0

  constructor(
    place: Place,
    bytes: Buffer,
    options: { readonly from: number; readonly aborted: readonly AbortedTransaction[] },
  ) {
    this.#place = place
    this.#bytes = bytes
    this.#from = options.from
    this.#abortedLater = [...options.aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** Bytes that were not read yet. */
  get left(): number {
    return this.#bytes.length - this.#position
  }

  /** The next whole batch; null behind the last one (a fetch may end in the middle of one). */
  next(): ReadBatch | null {
    if (this.left < headerBytes) return null
    const start = this.#position
    const reader = new ByteReader(this.#bytes, start)
    const baseOffset = reader.safeInt64()
    const end = start + bytesBeforeLength + reader.int32()
    if (end > this.#bytes.length) return null
    reader.position += 4 // partition leader epoch
    const magic = reader.int8()
    if (magic !== 2) throw new UnreadableBatch(`record format ${magic}`, baseOffset)
    const crc = reader.int32()
    if (crc32c(this.#bytes.subarray(start + offsetOfAttributes, end)) >>> 0 !== crc >>> 0) {
      throw new UnreadableBatch('checksum', baseOffset)
    }
    this.#position = end
    const attributes = reader.int16()
    const nextOffset = baseOffset + reader.int32() + 1
    const firstTimestamp = reader.safeInt64()
    const maxTimestamp = reader.safeInt64()
    const producerId = reader.int64()
    reader.position += 6 // producer epoch, base sequence
    const count = reader.int32()
    const bytes = this.#bytes.subarray(reader.position, end)
    if (this.#hidden(attributes, producerId, nextOffset, bytes)) return { records: [], nextOffset }
    const appendTime = (attributes & appendTimeBit) !== 0 ? maxTimestamp : null
    const body = decompress(bytes, attributes & compressionBits, baseOffset)
    return {
      records: this.#records(body, count, { offset: baseOffset, timestamp: firstTimestamp, appendTime }),
      nextOffset,
    }
  }

  #records(bytes: Buffer, count: number, base: BatchBase): FetchedRecord[] {
    const reader = new ByteReader(bytes)
    const records: FetchedRecord[] = []
    for (let i = 0; i < count; i++) {
      const length = reader.varint()
      const end = reader.position + length
      const record = new FetchedRecord(reader, this.#place, base)
      reader.position = end
      if (Number(record.offset) >= this.#from) records.push(record)
    }
    return records
  }

  /** True for control batches and for batches of aborted transactions (KIP-98; Java's CompletedFetch). */
  #hidden(attributes: number, producerId: bigint, nextOffset: number, body: Buffer): boolean {
    while (this.#abortedLater[0] !== undefined && this.#abortedLater[0].firstOffset < nextOffset) {
      this.#aborted.add((this.#abortedLater.shift() as AbortedTransaction).producerId)
    }
    if ((attributes & controlBit) !== 0) {
      if (controlType(body) === abortMarker) this.#aborted.delete(producerId)
      return true
    }
    return (attributes & transactionBit) !== 0 && this.#aborted.has(producerId)
  }
}

/** A control record's key: version, then type, both 16-bit. */
function controlType(body: Buffer): number | undefined {
  const reader = new ByteReader(body)
  reader.varint() // length
  reader.position++ // attributes
  reader.varlong()
  reader.varint()
  return reader.varintBytes()?.readInt16BE(2)
}

function decompress(bytes: Buffer, bitmask: number, offset: number): Buffer {
  if (bitmask === 0) return bytes
  const codec = compressionsAlgorithmsByBitmask[bitmask]
  if (codec === undefined) throw new UnreadableBatch(`compression ${bitmask}`, offset)
  try {
    return codec.decompressSync(bytes)
  } catch {
    throw new UnreadableBatch('damaged compression', offset)
  }
}
