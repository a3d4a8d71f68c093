import type { RawHeader } from '@oncebox/core'
import type { OutgoingRecord } from '@oncebox/transport'
import type { IHeaders } from 'kafkajs'

/**
 * Record headers as kafkajs takes them: a plain object, in which a repeated name is an array. kafkajs writes names in
 * the object's own order, so those that look like numbers come first; order among equal names is kept.
 */
export function toClientHeaders(headers: OutgoingRecord['headers']): IHeaders {
  const result: IHeaders = {}
  for (const [name, raw] of headers) {
    const value = typeof raw === 'string' ? raw : asBuffer(raw)
    if (name === '__proto__' || Object.hasOwn(result, name)) add(result, name, value)
    else result[name] = value
  }
  return result
}

function add(headers: IHeaders, name: string, value: string | Buffer): void {
  const before = Object.hasOwn(headers, name) ? headers[name] : undefined
  const values = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]
  // An assignment to `__proto__` would set the prototype and lose the header.
  Object.defineProperty(headers, name, { value: values, enumerable: true, writable: true, configurable: true })
}

/**
 * Headers as kafkajs delivers them. For a name that every object inherits (`constructor`, `__proto__`) kafkajs takes
 * the inherited thing for an earlier value of the same name; only bytes and nulls are values.
 */
export function fromClientHeaders(headers: IHeaders | undefined): RawHeader[] {
  const result: RawHeader[] = []
  if (headers === undefined) return result
  for (const name of Object.keys(headers)) {
    const value: unknown = headers[name]
    if (Array.isArray(value)) {
      for (const each of value as unknown[]) {
        if (each === null || each instanceof Uint8Array) result.push([name, each])
      }
    } else {
      result.push([name, value instanceof Uint8Array ? value : null])
    }
  }
  return result
}

/** kafkajs writes anything that is not a Buffer as its text. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
