/** What is needed of the socket below a pg client. */
export interface WireStream {
  listeners(event: 'data'): unknown[]
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  removeListener(event: 'data', listener: (chunk: Buffer) => void): unknown
}

/** The columns of one row, from `start` (their number) up to `end`; `bytes` are not written again. */
export type OnRow = (bytes: Buffer, start: number, end: number) => void

const dataRow = 0x44
/** A message is a type byte and a length that counts itself (PostgreSQL protocol, "Message Formats"). */
const headBytes = 5

/**
 * Stands between a socket and pg's parser. While somebody asks for it, takes the rows of a result out of the stream as the
 * bytes they came in, without an object or a copy for each column; every other message goes on to pg, which sends the
 * statement, keeps the connection's state and reports its errors as always.
 */
export class RowTap {
  readonly #parse: readonly ((chunk: Buffer) => void)[]
  #onRow: OnRow | null = null
  /** The beginning of a message of which the rest is still to come. */
  #parts: Buffer[] = []
  #have = 0
  /** Bytes of that message, as soon as its length is known. */
  #need = headBytes

  /** Right after an answer was complete: what comes next begins with a message. */
  constructor(stream: WireStream) {
    this.#parse = stream.listeners('data') as ((chunk: Buffer) => void)[]
    for (const parse of this.#parse) stream.removeListener('data', parse)
    stream.on('data', (chunk) => this.#take(chunk))
  }

  /** Hands rows to `onRow` while `work` runs. The rows' statement has to ask for binary columns. */
  async during<T>(onRow: OnRow, work: () => Promise<T>): Promise<T> {
    this.#onRow = onRow
    try {
      return await work()
    } finally {
      this.#onRow = null
    }
  }

  #take(chunk: Buffer): void {
    let at = this.#have === 0 ? 0 : this.#complete(chunk)
    let passed = at
    while (at + headBytes <= chunk.length) {
      const end = at + 1 + chunk.readUInt32BE(at + 1)
      if (end > chunk.length) break
      if (chunk[at] === dataRow && this.#onRow !== null) {
        this.#pass(chunk, passed, at)
        this.#onRow(chunk, at + headBytes, end)
        passed = end
      }
      at = end
    }
    this.#pass(chunk, passed, at)
    if (at < chunk.length) this.#keep(chunk.subarray(at))
  }

  /** Adds what the chunk holds of the message that was cut, and hands it on when it is whole. Returns how far it went. */
  #complete(chunk: Buffer): number {
    let at = 0
    while (this.#have < this.#need) {
      if (at === chunk.length) return at
      const part = chunk.subarray(at, at + this.#need - this.#have)
      at += part.length
      this.#keep(part)
    }
    const message = Buffer.concat(this.#parts, this.#have)
    this.#parts = []
    this.#have = 0
    this.#need = headBytes
    if (message[0] === dataRow && this.#onRow !== null) this.#onRow(message, headBytes, message.length)
    else this.#pass(message, 0, message.length)
    return at
  }

  #keep(part: Buffer): void {
    this.#parts.push(part)
    this.#have += part.length
    if (this.#need > headBytes || this.#have < headBytes) return
    const head = Buffer.concat(this.#parts, headBytes)
    this.#need = 1 + head.readUInt32BE(1)
  }

  #pass(bytes: Buffer, from: number, to: number): void {
    if (from === to) return
    const part = from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to)
    for (const parse of this.#parse) parse(part)
  }
}
