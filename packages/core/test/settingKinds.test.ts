import { checkSettings, defineMessages, kinds, type SettingKind } from '@oncebox/core'
import { describe, expect, test } from 'vitest'

const invalid = (part: RegExp | string) =>
  expect.objectContaining({ code: 'INVALID_SETTING', message: expect.stringMatching(part) })

describe('settings are checked before they are used', () => {
  const check = (options: unknown) =>
    checkSettings('createThing', options, { waitMs: kinds.milliseconds(1), pool: kinds.object }, ['pool'])

  test.each([[undefined], [null], [5], ['text'], [[]]])('%j is no object with settings', (options) => {
    expect(() => check(options)).toThrow(invalid('The settings of createThing are not an object'))
  })

  test('one that is needed has to be there, and one that is not may be left out, but not null', () => {
    expect(() => check({})).toThrow(invalid('The setting pool of createThing is not an object'))
    expect(() => check({ pool: {} })).not.toThrow()
    expect(() => check({ pool: {}, waitMs: undefined })).not.toThrow()
    expect(() => check({ pool: {}, waitMs: null })).toThrow(invalid(/waitMs.*or leave it out/))
  })

  test('what is wrong is named, and never shown', () => {
    expect(() => check({ pool: 'postgres://ada:secret@host' })).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('secret') }),
    )
    expect(() => check({ pool: {}, waitMs: Symbol('x') })).toThrow(invalid('waitMs'))
  })
})

const { milliseconds, spanMs, oneOf, listOf, recordOf, shaped, either, text, flag, logger } = kinds

test.each<[string, SettingKind, readonly unknown[], readonly unknown[]]>([
  [
    'milliseconds',
    milliseconds(1),
    [1, 2 ** 31 - 1],
    [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '1', 1n],
  ],
  ['a span', spanMs(0), [0, 2 ** 40], [-1, 2 ** 52, Number.NaN]],
  ['one of some', oneOf('a', 'b'), ['a', 'b'], ['c', ['a'], Object('a'), null]],
  ['a list', listOf(text), [[], ['a']], ['a', [1], { length: 0 }, [undefined]]],
  ['a record', recordOf(flag), [{}, { a: true }], [{ a: 1 }, [], null]],
  ['a shape', shaped({ a: text }, ['a']), [{ a: '' }, { a: '', b: 1 }], [{}, { a: null }, [], null]],
  ['either', either(flag, text), [true, ''], [1, null]],
  ['a logger', logger, [console], [{}, () => undefined, null, 5]],
])('%s takes what it should, and nothing else', (_, { fits }, good, bad) => {
  expect(good.filter((value) => !fits(value))).toEqual([])
  expect(bad.filter(fits)).toEqual([])
})

test.each([
  ['no contract', { made: undefined }],
  ['no topic', { made: { schema: { '~standard': { validate: () => ({}) } } } }],
  ['a topic that is none', { made: { topic: 5, schema: { '~standard': { validate: () => ({}) } } } }],
  ['no schema', { made: { topic: 'orders' } }],
  ['a schema that is none', { made: { topic: 'orders', schema: { parse: () => 1 } } }],
])('messages with %s are refused', (_, contracts) => {
  expect(() => defineMessages(contracts as never)).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
})
