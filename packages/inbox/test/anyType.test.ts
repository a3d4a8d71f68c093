import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer } from '@oncebox/inbox'
import { until } from '@oncebox/testkit'
import { expect, test } from 'vitest'
import { asConsumer, bench, businessDatabase, deposit, messages } from './fixture.js'

test("a handler at '*' gets every type without one of its own, whether it has a contract or not", async () => {
  await using database = await businessDatabase()
  const it = await bench(database)
  const got: [by: string, type: string, data: unknown][] = []
  const consumer = it.consumer({
    handlers: {
      deposited: (message) => void got.push(['own', message.type, message.data]),
      '*': (message) => void got.push(['any', message.type, message.data]),
    },
  })
  await it.send([
    deposit('a', 7),
    { id: '019a0000-0000-7000-8000-000000000001', type: 'never declared', data: { free: true } },
    { type: 'viewed', data: { page: 'home' }, id: 'view-1' },
    { type: 'viewed', data: { page: 3 }, id: 'view-2' },
  ])
  await consumer.start()
  await until(() => consumer.counters().received === 4 && consumer.counters().transactions > 0, { what: 'the batch' })
  await consumer.stop()
  expect(got.filter(([by]) => by === 'own')).toEqual([['own', 'deposited', { account: 'a', amount: 7 }]])
  expect(got.filter(([by]) => by === 'any')).toContainEqual(['any', 'viewed', { page: 'home' }])
  // The first id is older than the inbox remembers, the last message does not fit its contract: both are dead letters.
  expect(consumer.counters()).toMatchObject({ ignored: 0, deadLettered: 2, handled: 2 })
})

test("a handler at '*' alone listens to the topics of all contracts, and needs topics where there are none", async () => {
  await using database = await businessDatabase()
  const it = await bench(database)
  const types: string[] = []
  const consumer = it.consumer({ handlers: { '*': ({ type }) => void types.push(type) } })
  await it.send([deposit('a'), { ...deposit('b'), type: 'never declared' }])
  await consumer.start()
  await until(() => types.length === 2, { what: 'both' })
  await consumer.stop()
  expect(types).toEqual(['deposited', 'never declared'])
  const options = { db: pgDatabase(asConsumer(database)), subscriber: it.transport.subscriber(), group: 'g' }
  const nothing = () => createConsumer({ ...options, messages: {}, handlers: { '*': () => {} } })
  expect(nothing).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
  expect(Object.keys(messages)).not.toContain('*')
})
