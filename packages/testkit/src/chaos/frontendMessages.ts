/** One message that a client sent, as its bytes; `type` is '' for the ones at the start, which have none. */
export interface FrontendMessage {
  readonly type: string
  readonly bytes: Buffer
}

/**
 * Cuts what a Postgres client sends into messages (PostgreSQL documentation, "Frontend/Backend Protocol"). The first
 * ones have no type byte: a request for encryption, or the startup message, which ends them.
 */
export class FrontendMessages {
  #rest: Buffer = Buffer.alloc(0)
  #started = false

  /** The messages that are complete with `chunk`. */
  push(chunk: Buffer): FrontendMessage[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const messages: FrontendMessage[] = []
    for (let message = this.#next(); message !== null; message = this.#next()) messages.push(message)
    return messages
  }

  #next(): FrontendMessage | null {
    const head = this.#started ? 1 : 0
    if (this.#rest.length < head + 4) return null
    const length = head + this.#rest.readUInt32BE(head)
    if (this.#rest.length < length) return null
    const bytes = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    const type = this.#started ? String.fromCharCode(bytes[0] as number) : ''
    if (!this.#started && bytes.readUInt32BE(4) >>> 16 === protocolMajor) this.#started = true
    return { type, bytes }
  }
}

const protocolMajor = 3

/** Whether an untyped message asks for TLS or GSS encryption, which is answered with one byte. */
export function asksForEncryption({ type, bytes }: FrontendMessage): boolean {
  return type === '' && [80_877_103, 80_877_104].includes(bytes.readUInt32BE(4))
}

/** The text of a simple query (`Q`), or of a statement that is prepared (`P`) with its name. */
export function statementText({ type, bytes }: FrontendMessage): { readonly name: string; readonly text: string } {
  if (type === 'Q') return { name: '', text: textAt(bytes, 5) }
  const name = textAt(bytes, 5)
  return { name, text: textAt(bytes, 5 + Buffer.byteLength(name) + 1) }
}

/** The name of the prepared statement that a Bind message uses. */
export function boundStatement({ bytes }: FrontendMessage): string {
  return textAt(bytes, 5 + Buffer.byteLength(textAt(bytes, 5)) + 1)
}

/** A simple query with `text`. */
export function simpleQuery(text: string): Buffer {
  const body = Buffer.from(`${text}\0`)
  const message = Buffer.alloc(5 + body.length)
  message.write('Q')
  message.writeUInt32BE(4 + body.length, 1)
  body.copy(message, 5)
  return message
}

function textAt(bytes: Buffer, from: number): string {
  return bytes.toString('utf8', from, bytes.indexOf(0, from))
}
