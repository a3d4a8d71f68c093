import { OnceboxError, toPlainJson } from '@oncebox/core'

/** What `R` has become after a way through JSON: dates are texts, undefined properties are gone. */
export type Recorded<R> = unknown extends R
  ? R
  : R extends string | number | boolean | null | undefined
    ? R
    : R extends { toJSON(): infer J }
      ? J
      : { readonly [Name in keyof R]: Recorded<R[Name]> }

const maxResultBytes = 100_000

/** A result as JSON text; null for undefined, which is told from a JSON null. */
export function encodeResult(result: unknown): string | null {
  if (result === undefined) return null
  const text = JSON.stringify(toPlainJson(result, notEncodable))
  if (Buffer.byteLength(text) <= maxResultBytes) return text
  throw new OnceboxError('PAYLOAD_TOO_LARGE', `The result of a business key is over ${maxResultBytes} bytes`, {
    next: 'Return what identifies it, and store the rest in a table of yours; roll this transaction back.',
  })
}

export function decodeResult<R>(text: string | null): Recorded<R> {
  return (text === null ? undefined : JSON.parse(text)) as Recorded<R>
}

function notEncodable(path: string, what: string): OnceboxError {
  return new OnceboxError('PAYLOAD_NOT_ENCODABLE', `The result of a business key holds ${what} at ${path}`, {
    next: 'Return what JSON can carry; roll this transaction back.',
  })
}
