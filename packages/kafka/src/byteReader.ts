/** Reads Kafka's encodings from a buffer, front to back. */
export class ByteReader {
  readonly bytes: Buffer
  position: number

  constructor(bytes: Buffer, position = 0) {
    this.bytes = bytes
    this.position = position
  }

  int8(): number {
    return this.bytes.readInt8(this.position++)
  }

  int16(): number {
    this.position += 2
    return this.bytes.readInt16BE(this.position - 2)
  }

  int32(): number {
    this.position += 4
    return this.bytes.readInt32BE(this.position - 4)
  }

  int64(): bigint {
    this.position += 8
    return this.bytes.readBigInt64BE(this.position - 8)
  }

  /** A 64-bit number that fits 53 bits, as offsets and timestamps do. */
  safeInt64(): number {
    const high = this.int32()
    this.position += 4
    return high * 0x1_0000_0000 + this.bytes.readUInt32BE(this.position - 4)
  }

  /** Unsigned LEB128 up to 2³²−1. */
  unsignedVarint(): number {
    const { bytes } = this
    let byte = bytes[this.position++] as number
    let value = byte & 0x7f
    for (let shift = 7; byte > 0x7f; shift += 7) {
      byte = bytes[this.position++] as number
      value |= (byte & 0x7f) << shift
    }
    return value >>> 0
  }

  /** Zigzag LEB128 of a 32-bit signed number. */
  varint(): number {
    const value = this.unsignedVarint()
    return (value >>> 1) ^ -(value & 1)
  }

  /** Zigzag LEB128 of a 64-bit signed number that fits 53 bits. */
  varlong(): number {
    let byte = this.bytes[this.position++] as number
    const odd = byte & 1
    let half = (byte & 0x7f) >> 1
    for (let scale = 64; byte > 0x7f; scale *= 128) {
      byte = this.bytes[this.position++] as number
      half += (byte & 0x7f) * scale
    }
    return odd === 1 ? -half - 1 : half
  }

  /** The next bytes with a zigzag length before them, as a view; null for length −1. */
  varintBytes(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    this.position += length
    return this.bytes.subarray(this.position - length, this.position)
  }

  /** The next bytes with a compact length (length + 1) before them, as a view; empty for null. */
  compactBytes(): Buffer {
    const length = Math.max(this.unsignedVarint() - 1, 0)
    this.position += length
    return this.bytes.subarray(this.position - length, this.position)
  }

  /** A topic id, written as the client library writes it. */
  uuid(): string {
    this.position += 16
    const hex = this.bytes.toString('hex', this.position - 16, this.position)
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }

  /** Reads a compact array. */
  compactArray<T>(each: () => T): T[] {
    const length = Math.max(this.unsignedVarint() - 1, 0)
    return Array.from({ length }, each)
  }

  skipTaggedFields(): void {
    for (let left = this.unsignedVarint(); left > 0; left--) {
      this.unsignedVarint()
      const length = this.unsignedVarint()
      this.position += length
    }
  }
}
