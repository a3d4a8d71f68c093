import { isOnceboxError } from '@oncebox/core'
import { expression, increment } from '@oncebox/guards'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Statement } from '../dist/statement.js'

const refused = (action: () => unknown): boolean => {
  try {
    action()
    return false
  } catch (error) {
    return isOnceboxError(error, 'INVALID_SETTING')
  }
}

test('a value never comes into the text of SQL, whatever it holds', () => {
  const values = fc.oneof(fc.string(), fc.bigInt(), fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }))
  fc.assert(
    fc.property(values, values, (first, second) => {
      fc.pre(![first, second].some((value) => typeof value === 'string' && value.includes('\0')))
      const statement = new Statement('t')
      const sql = statement.expression(expression`a = ${first} AND b = ${second}`, null)
      expect(sql).toMatch(/^\(a = \$1::text::\w+ AND b = \$2::text::\w+\n\)$/)
      expect(statement.values).toEqual([String(first), String(second)])
    }),
  )
})

test('a name is quoted, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 12 }), (name) => {
      fc.pre(!name.includes('\0'))
      const sql = new Statement({ schema: 's', name }).table
      expect(sql).toBe(`"s"."${name.replaceAll('"', '""')}"`)
      expect(new Statement('t').expression(increment(2), name)).toContain(`target."${name.replaceAll('"', '""')}"`)
    }),
  )
})

test('an expression is a template, so that text from outside cannot become one', () => {
  const text = 'money >= 0; drop table account'
  expect(refused(() => expression(text as never))).toBe(true)
  expect(refused(() => expression([text] as never))).toBe(true)
  expect(refused(() => expression(Object.assign([text], { raw: text }) as never))).toBe(true)
})

test('what cannot be a parameter is refused when the expression is made', () => {
  for (const value of [undefined, Number.NaN, {}, [], new Date(Number.NaN), 'a\0', '\ud800']) {
    expect(refused(() => expression`a = ${value as never}`)).toBe(true)
  }
  for (const by of [Number.NaN, Number.POSITIVE_INFINITY, '1; drop' as never]) {
    expect(refused(() => increment(by))).toBe(true)
  }
})
