import { OnceboxError } from './errors.js'

/** A payload as it is stored and sent. `bytes` null is a tombstone (data `null` with no content type of its own). */
export interface EncodedPayload {
  readonly bytes: Uint8Array
  readonly contentType: string
}

/**
 * Encodes a message's data: JSON by default, `Uint8Array` and `string` as they are.
 *
 * @throws OnceboxError `PAYLOAD_NOT_ENCODABLE` for what JSON would lose or refuse (undefined at the root, functions,
 *   symbols, BigInt, NaN and infinities, cycles, lone surrogates), naming the path and never the value.
 */
export function encodePayload(data: unknown): EncodedPayload {
  if (data instanceof Uint8Array) return { bytes: data, contentType: 'application/octet-stream' }
  if (typeof data === 'string') {
    if (!data.isWellFormed()) throw notEncodable('(root)', 'a lone surrogate')
    return { bytes: Buffer.from(data, 'utf8'), contentType: 'text/plain; charset=utf-8' }
  }
  assertJson(data, '(root)', new Set())
  return { bytes: Buffer.from(JSON.stringify(data), 'utf8'), contentType: 'application/json' }
}

/**
 * Decodes a payload by its content type: JSON for `application/json`, `*+json` and none at all, text for `text/*`,
 * bytes otherwise. No bytes decode to null.
 *
 * @throws OnceboxError `PAYLOAD_NOT_DECODABLE` for broken JSON or text that is not UTF-8.
 */
export function decodePayload(bytes: Uint8Array | null, contentType: string | null): unknown {
  if (bytes === null) return null
  const mediaType = (contentType ?? 'application/json').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const isJson = mediaType === 'application/json' || mediaType.endsWith('+json')
  if (!isJson && !mediaType.startsWith('text/')) return bytes
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return isJson ? JSON.parse(text) : text
  } catch (cause) {
    // The parser's own message quotes the payload, so it is not carried along.
    throw new OnceboxError(
      'PAYLOAD_NOT_DECODABLE',
      `The payload is not ${isJson ? 'JSON' : 'UTF-8 text'} (${(cause as Error).name})`,
      {
        next: 'Mend the producer; the message is in the dead letters with its bytes.',
      },
    )
  }
}

function assertJson(value: unknown, path: string, ancestors: Set<object>): void {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw notEncodable(path, 'a lone surrogate')
      return
    case 'number':
      if (!Number.isFinite(value)) throw notEncodable(path, 'NaN or an infinity')
      return
    case 'boolean':
      return
    case 'object':
      break
    default:
      throw notEncodable(path, `a ${typeof value}`)
  }
  if (value === null) return
  if (ancestors.has(value)) throw notEncodable(path, 'a cycle')
  const withToJson = value as { toJSON?: (key: string) => unknown }
  if (typeof withToJson.toJSON === 'function') {
    ancestors.add(value)
    assertJson(withToJson.toJSON(''), path, ancestors)
    ancestors.delete(value)
    return
  }
  ancestors.add(value)
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      assertJson(item, `${path}[${index}]`, ancestors)
    })
  } else {
    for (const [name, item] of Object.entries(value)) {
      if (!name.isWellFormed()) throw notEncodable(path, 'a lone surrogate in a property name')
      if (item !== undefined) assertJson(item, `${path}.${name}`, ancestors)
    }
  }
  ancestors.delete(value)
}

function notEncodable(path: string, what: string): OnceboxError {
  return new OnceboxError(
    'PAYLOAD_NOT_ENCODABLE',
    `The message's data holds ${what} at ${path}, which JSON cannot carry`,
    {
      next: 'Convert it before emitting (a BigInt to text, for example); nothing was written.',
    },
  )
}
