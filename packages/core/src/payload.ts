import { isUtf8 } from 'node:buffer'
import { OnceboxError } from './errors.js'
import { isPlainJson, toPlainJson } from './plainJson.js'

const json = 'application/json'

/** A payload as it is stored and sent. */
export interface EncodedPayload {
  readonly bytes: Uint8Array
  readonly contentType: string
}

/**
 * Encodes a message's data: JSON by default, `Uint8Array` and `string` as they are.
 *
 * @throws OnceboxError `PAYLOAD_NOT_ENCODABLE` for what JSON would lose or refuse (undefined at the root or in an array,
 *   functions, symbols, BigInt, NaN and infinities, invalid dates, cycles, lone surrogates, maps, sets, promises, nested
 *   binary data, nesting deeper than 500), naming the path and never the value.
 */
export function encodePayload(data: unknown): EncodedPayload {
  if (data instanceof Uint8Array) return { bytes: data, contentType: 'application/octet-stream' }
  if (typeof data === 'string') {
    if (!data.isWellFormed()) throw notEncodable('(root)', 'a lone surrogate')
    return { bytes: Buffer.from(data, 'utf8'), contentType: 'text/plain; charset=utf-8' }
  }
  // The quick look takes a tenth of the careful walk's time and passes nearly everything that is right.
  const plain = isPlainJson(data) ? data : toPlainJson(data, notEncodable)
  return { bytes: Buffer.from(JSON.stringify(plain), 'utf8'), contentType: json }
}

/**
 * Decodes a payload by its content type: JSON for `application/json`, `*+json` and none at all, text for `text/*`,
 * bytes otherwise. No bytes decode to null.
 *
 * @throws OnceboxError `PAYLOAD_NOT_DECODABLE` for broken JSON or text that is not UTF-8.
 */
export function decodePayload(bytes: Uint8Array | null, contentType: string | null): unknown {
  if (bytes === null) return null
  const mediaType = mediaTypeOf(contentType)
  const isJson = mediaType === json || mediaType.endsWith('+json')
  if (!isJson && !mediaType.startsWith('text/')) return bytes
  if (!isUtf8(bytes)) throw notDecodable('UTF-8 text')
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = buffer.toString('utf8')
  if (!isJson) return text
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the payload, so it is not carried along.
    throw notDecodable('JSON')
  }
}

/** Without parameters, in lower case. Nearly all messages name the one that needs no work. */
function mediaTypeOf(contentType: string | null): string {
  if (contentType === null || contentType === json) return json
  return contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

function notDecodable(expected: string): OnceboxError {
  return new OnceboxError('PAYLOAD_NOT_DECODABLE', `The payload is not ${expected}, which its content type promises`, {
    next: 'Mend the producer; the message is in the dead letters with its bytes.',
  })
}

function notEncodable(path: string, what: string): OnceboxError {
  return new OnceboxError(
    'PAYLOAD_NOT_ENCODABLE',
    `The message's data holds ${what} at ${path}, which JSON cannot carry`,
    { next: 'Convert it before emitting (a BigInt to text, for example); nothing was written.' },
  )
}
