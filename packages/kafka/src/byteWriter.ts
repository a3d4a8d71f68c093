/** Bytes that a loop copies faster than a call does. */
const longestLoop = 40
/** Unlike `set`, it takes a range without an object for it. */
const { copy } = Buffer.prototype

/**
 * One growing buffer with a write position: what requests and record batches are written into, front to back, with no
 * object for a message. Reused from call to call through `reset`.
 */
export class ByteWriter {
  buffer: Buffer
  position = 0

  constructor(initialBytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(initialBytes)
  }

  reset(): void {
    this.position = 0
  }

  /** Makes room for `bytes` more. */
  reserve(bytes: number): void {
    const needed = this.position + bytes
    if (needed <= this.buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2))
    this.buffer.copy(grown, 0, 0, this.position)
    this.buffer = grown
  }

  int8(value: number): void {
    this.buffer[this.position++] = value & 0xff
  }

  int16(value: number): void {
    this.position = this.buffer.writeInt16BE(value, this.position)
  }

  int32(value: number): void {
    this.position = this.buffer.writeInt32BE(value, this.position)
  }

  int64(value: bigint): void {
    this.position = this.buffer.writeBigInt64BE(value, this.position)
  }

  /** Unsigned LEB128, as Kafka's compact lengths are. `value` from 0 to 2³²−1. */
  unsignedVarint(value: number): void {
    let rest = value
    while (rest > 0x7f) {
      this.buffer[this.position++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.buffer[this.position++] = rest
  }

  /** Zigzag LEB128 of a 32-bit signed number, as inside record batches. */
  varint(value: number): void {
    this.unsignedVarint(((value << 1) ^ (value >> 31)) >>> 0)
  }

  /** Copies bytes; the caller has reserved room. */
  bytes(value: Uint8Array): void {
    this.buffer.set(value, this.position)
    this.position += value.length
  }

  /** Copies the bytes from `from` up to `to`; the caller has reserved room. Short runs without a call into C++. */
  range(source: Uint8Array, from: number, to: number): void {
    const { buffer } = this
    let at = this.position
    if (to - from > longestLoop) copy.call(source, buffer, at, from, to)
    else for (let next = from; next < to; next++) buffer[at++] = source[next] as number
    this.position += to - from
  }

  /** A compact string (length + 1, then UTF-8). Reserves its own room. */
  compactString(text: string): void {
    const length = Buffer.byteLength(text)
    this.reserve(length + 5)
    this.unsignedVarint(length + 1)
    this.position += this.buffer.write(text, this.position, 'utf8')
  }
}

/** How many bytes `varint` takes for a non-negative number. */
export function varintLength(value: number): number {
  const zigzag = value * 2
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x200000) return 3
  if (zigzag < 0x10000000) return 4
  return 5
}
