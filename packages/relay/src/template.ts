import { constantHeaders } from '@oncebox/core'

/** What all messages of one source, topic, type and media type share. */
export interface Template {
  readonly topic: string
  /** Frozen objects; see `constantHeaders`. */
  readonly headers: ReturnType<typeof constantHeaders>
}

/** A service has tens of them; one that makes up types must not fill the memory. */
const mostKept = 10_000

/**
 * Finds the template of a row by the bytes of its columns source, topic, type and content_type, which stand side by side:
 * the strings of a message type are decoded, and its headers made, once.
 */
export class Templates {
  readonly #known = new Map<string, Template>()
  #last: Template | undefined
  #lastBytes: Buffer = Buffer.alloc(0)

  /** Columns from `start`, where the length of the first stands, up to `end`. */
  of(bytes: Buffer, start: number, end: number): Template {
    if (this.#last !== undefined && same(this.#lastBytes, bytes, start, end)) return this.#last
    const name = bytes.toString('latin1', start, end)
    let template = this.#known.get(name)
    if (template === undefined) {
      if (this.#known.size >= mostKept) this.#known.clear()
      template = decode(bytes, start)
      this.#known.set(name, template)
    }
    this.#last = template
    this.#lastBytes = Buffer.from(bytes.subarray(start, end))
    return template
  }
}

function same(known: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (known.length !== end - start) return false
  for (let at = 0; at < known.length; at++) if (known[at] !== bytes[start + at]) return false
  return true
}

function decode(bytes: Buffer, start: number): Template {
  let at = start
  const next = (): string | null => {
    const length = bytes.readInt32BE(at)
    at += 4
    if (length < 0) return null
    at += length
    return bytes.toString('utf8', at - length, at)
  }
  const [source, topic, type, contentType] = [next() ?? '', next() ?? '', next() ?? '', next()]
  return { topic, headers: constantHeaders({ source, type, contentType }) }
}
