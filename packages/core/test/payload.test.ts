import { decodePayload, encodePayload, isOnceboxError } from '@oncebox/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const utf8 = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8')
const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

function refusal(data: unknown): string {
  try {
    encodePayload(data)
  } catch (error) {
    expect(isOnceboxError(error, 'PAYLOAD_NOT_ENCODABLE')).toBe(true)
    return (error as Error).message
  }
  throw new Error('was encoded')
}

describe('encodePayload', () => {
  it('gives back any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        fc.pre(typeof value !== 'string')
        const { bytes, contentType } = encodePayload(value)
        expect(contentType).toBe('application/json')
        expect(utf8(bytes)).toBe(JSON.stringify(value))
        expect(decodePayload(bytes, contentType)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('gives back any bytes and any well-formed text as they are', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (value) => {
        const { bytes, contentType } = encodePayload(value)
        expect(contentType).toBe('application/octet-stream')
        expect(decodePayload(bytes, contentType)).toBe(value)
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const { bytes, contentType } = encodePayload(value)
        expect(contentType).toBe('text/plain; charset=utf-8')
        expect(decodePayload(bytes, contentType)).toBe(value)
      }),
    )
  })

  const cycle: Record<string, unknown> = {}
  cycle.self = { again: cycle }
  it.each<[string, unknown, string]>([
    ['undefined', undefined, 'undefined at (root)'],
    ['a function', () => 1, 'a function at (root)'],
    ['a symbol', { a: Symbol('s') }, 'a symbol at (root).a'],
    ['a BigInt', { a: [0, 1n] }, 'a bigint at (root).a[1]'],
    ['a boxed BigInt', { a: Object(1n) }, 'a bigint at (root).a'],
    ['NaN', { a: Number.NaN }, 'NaN or an infinity at (root).a'],
    ['an infinity', [Number.NEGATIVE_INFINITY], 'NaN or an infinity at (root)[0]'],
    ['a cycle', cycle, 'a cycle at (root).self.again'],
    ['a lone surrogate', { a: '\ud800' }, 'a lone surrogate at (root).a'],
    ['a lone surrogate as the text itself', 'a\udc00', 'a lone surrogate at (root)'],
    ['a lone surrogate in a name', { '\udfff': 1 }, 'a lone surrogate in a property name at (root)'],
    ['a function property', { a: { b: () => 1 } }, 'a function at (root).a.b'],
    ['undefined in an array', [1, undefined], 'undefined at (root)[1]'],
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
    ['a hole in an array', [1, , 2], 'undefined at (root)[1]'],
    ['an invalid date', { at: new Date('never') }, 'an invalid date at (root).at'],
    ['a Map', { a: new Map([[1, 2]]) }, 'a Map at (root).a'],
    ['a Set', new Set([1]), 'a Set at (root)'],
    ['a promise', { a: Promise.resolve(1) }, 'a promise (is an await missing?) at (root).a'],
    ['an Error', { a: new Error('x') }, 'an Error at (root).a'],
    ['a regular expression', { a: /x/ }, 'a regular expression at (root).a'],
    ['nested bytes', { a: new Uint8Array(2) }, 'binary data at (root).a'],
    ['what toJSON answers', { a: { toJSON: () => 1n } }, 'a bigint at (root).a'],
    ['nesting without end', nested(100_000), 'nesting deeper than 500 levels'],
  ])('refuses %s and names where', (_, data, where) => {
    expect(refusal(data)).toContain(where)
  })

  it('never quotes a value in a refusal', () => {
    expect(refusal({ card: 'secret-4711\ud800' })).not.toContain('4711')
  })

  it('renders what JSON.stringify renders: dates, toJSON once, boxed values, classes, no prototype, __proto__', () => {
    let calls = 0
    class Money {
      readonly cents = 5
    }
    const data = {
      at: new Date(0),
      own: {
        toJSON(name: string) {
          calls++
          return `${name}!`
        },
      },
      boxed: [Object(1), Object('a'), Object(false)],
      money: new Money(),
      left: undefined,
      bare: Object.assign(Object.create(null), { x: 1 }),
      proto: JSON.parse('{"__proto__":{"polluted":true}}'),
      buffer: Buffer.from('a'),
    }
    const { bytes } = encodePayload(data)
    expect(calls).toBe(1)
    expect(utf8(bytes)).toBe(JSON.stringify(data))
  })

  it('does not take the same object twice for a cycle', () => {
    const address = { city: 'Berlin' }
    expect(utf8(encodePayload({ a: address, b: address, c: new Map() && 1 }).bytes)).toContain('"b":{"city":"Berlin"}')
    class Line {
      readonly address = address
    }
    expect(utf8(encodePayload([new Line(), new Line()]).bytes)).toBe(
      '[{"address":{"city":"Berlin"}},{"address":{"city":"Berlin"}}]',
    )
  })
})

describe('decodePayload', () => {
  const json = Buffer.from('{"a":1}')

  it.each([null, 'application/json', 'Application/JSON; charset=utf-8', 'application/cloudevents+json'])(
    'reads JSON by content type %j',
    (contentType) => {
      expect(decodePayload(json, contentType)).toEqual({ a: 1 })
    },
  )

  it('reads no bytes as null, unknown types as bytes', () => {
    expect(decodePayload(null, 'application/json')).toBeNull()
    expect(decodePayload(json, 'application/avro')).toBe(json)
  })

  it.each([
    ['broken JSON', Buffer.from('{"secret-4711"'), 'application/json'],
    ['no JSON at all', Buffer.alloc(0), 'application/json'],
    ['JSON that is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), null],
    ['text that is not UTF-8', Buffer.from([0xc3]), 'text/plain'],
  ])('refuses %s without quoting it', (_, bytes, contentType) => {
    let thrown: unknown
    try {
      decodePayload(bytes, contentType)
    } catch (error) {
      thrown = error
    }
    expect(isOnceboxError(thrown, 'PAYLOAD_NOT_DECODABLE')).toBe(true)
    expect(String(thrown)).not.toContain('4711')
    expect((thrown as Error).cause).toBeUndefined()
  })
})

describe('names that may be data stay out of errors', () => {
  it.each([
    ['an address', { 'ann@example.org': 1n }, '(root).…'],
    ['one with dots', { people: { 'ann.smith': { age: 1n } } }, '(root).people.….age'],
    ['a long one', { ['x'.repeat(65)]: 1n }, '(root).…'],
  ])('%s', (_what, data, where) => {
    expect(() => encodePayload(data)).toThrow(` at ${where},`)
  })
})
