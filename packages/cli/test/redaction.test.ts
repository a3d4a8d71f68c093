import { describe, expect, test } from 'vitest'
import { cleanField, createRedactor, secretsOf } from '../dist/command/redaction.js'

const canary = /canary/
const url = 'postgres://shop:canary%40word@db.internal:5432/shop?sslmode=require'

describe('no secret survives the redactor, wherever it stands', () => {
  const redact = createRedactor([...secretsOf(url), 'canary-sasl'])

  test.each([
    ['the connection string', `cannot use ${url}`],
    ['the password as it stands in the URL', 'password canary%40word refused'],
    ['the password decoded', 'password canary@word refused'],
    ['another secret', 'SASL said canary-sasl, twice canary-sasl'],
    ['a connection string nobody knew of', 'see postgresql://me:canary@elsewhere/x and postgres://canary'],
    ['credentials in another URL', 'proxy http://me:canary@proxy:8080/'],
  ])('%s', (_what, text) => expect(redact(text)).not.toMatch(canary))

  test('an unencoded @ in the password does not save it', () => {
    const careless = createRedactor(secretsOf('postgres://shop:canary@canary2@db/shop'))
    expect(careless('it was canary@canary2')).not.toMatch(canary)
  })

  test('what is no secret stays readable, and a short one does not eat the text', () => {
    const plain = 'Cannot reach the database at db.internal:5432 (ECONNREFUSED)'
    expect(redact(plain)).toBe(plain)
    expect(createRedactor(['a', ''])(plain)).toBe(plain)
  })
})

test('fields that hold payloads, keys and headers are replaced, by whatever depth and name', () => {
  const fields = {
    topic: 'orders',
    key: 'canary',
    message: { payload: 'canary', rawHeaders: [['a', 'canary']], partition: 3 },
    bytes: Buffer.from('canary'),
    position: 5n,
  }
  expect(cleanField(fields, createRedactor())).toEqual({
    topic: 'orders',
    key: '[redacted]',
    message: { payload: '[redacted]', rawHeaders: '[redacted]', partition: 3 },
    bytes: '[cut]',
    position: '5',
  })
})

test("an error is its name, code and text; a driver's details and quoted values are not", () => {
  const refused = Object.assign(new Error('duplicate key value (id)=(canary)'), {
    code: '23505',
    detail: 'Key (id)=(canary) already exists.',
  })
  const error = Object.assign(new Error('outer', { cause: refused }), { input: 'canary' })
  const cleaned = cleanField({ error }, createRedactor())
  expect(JSON.stringify(cleaned)).not.toMatch(canary)
  expect(cleaned).toMatchObject({ error: { name: 'Error', cause: { code: '23505' } } })
})

test('a circle of objects ends', () => {
  const circle: Record<string, unknown> = {}
  circle.self = circle
  expect(JSON.stringify(cleanField(circle, createRedactor()))).toContain('[cut]')
})
