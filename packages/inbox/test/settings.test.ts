import { createConsumer } from '@oncebox/inbox'
import { memoryTransport } from '@oncebox/transport/memory'
import { expect, test } from 'vitest'

const contract = {
  topic: 'orders',
  schema: { '~standard': { version: 1, vendor: 'test', validate: () => ({ value: 1 }) } },
}
const good = {
  db: { transaction: async () => undefined, txOf: () => undefined },
  subscriber: memoryTransport().subscriber(),
  group: 'billing',
  messages: { made: contract },
  handlers: { made: () => undefined },
}
const publisher = memoryTransport().publisher()

test.each<[string, unknown]>([
  ['no settings', undefined],
  ['no handlers', { ...good, handlers: undefined }],
  ['messages that are none', { ...good, messages: { made: { topic: 'orders' } } }],
  ['a group that is no text', { ...good, group: ['billing'] }],
  ['a database that is a pool', { ...good, db: { query: () => undefined } }],
  ['topics that are one text', { ...good, topics: 'orders' }],
  ['attempts in words', { ...good, attempts: 'eight' }],
  ['a backoff that never ends', { ...good, backoff: { maxMs: Number.POSITIVE_INFINITY } }],
  ['a backoff that is a number', { ...good, backoff: 5 }],
  ['a policy that there is not', { ...good, poison: { made: 'drop' } }],
  ['an unknown policy for unknown types', { ...good, unknownType: 'drop' }],
  ['a dead letter topic without a publisher', { ...good, deadLetterTopic: { topic: 'dead' } }],
  ['a dead letter topic without a name', { ...good, deadLetterTopic: { publisher } }],
  ['a pause that no timer can hold', { ...good, redrivePollMs: 2 ** 31 }],
  ['an onEvent that is no function', { ...good, onEvent: 'log' }],
])('createConsumer refuses %s', (_, options) => {
  expect(() => createConsumer(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
})

test('createConsumer takes what it needs, and nothing else', () => {
  expect(createConsumer(good as never).state).toBe('idle')
})
