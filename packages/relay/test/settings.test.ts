import { createRelay } from '@oncebox/relay'
import { memoryTransport } from '@oncebox/transport/memory'
import { expect, test } from 'vitest'

const pool = { connect: async () => Promise.reject(new Error('not to be connected to')), on: () => undefined }
const good = { pool, publisher: memoryTransport().publisher() }

test.each<[string, object | undefined]>([
  ['no settings', undefined],
  ['no pool', { ...good, pool: undefined }],
  ['a pool that is a connection string', { ...good, pool: 'postgres://localhost/shop' }],
  ['no publisher', { ...good, publisher: null }],
  ['a lease that is too short', { ...good, leaseMs: 999 }],
  ['a lease that no timer can hold', { ...good, leaseMs: 2 ** 31 }],
  ['a lane that is no number', { ...good, lane: '0' }],
  ['a number that cannot be told', { ...good, batchMessages: Symbol('500') }],
  ['a retention past all dates', { ...good, retentionMs: 2 ** 52 }],
  ['a logger that cannot warn', { ...good, logger: { info: () => undefined } }],
  ['a clock without sleep', { ...good, clock: { now: Date.now } }],
  ['randomness that is no function', { ...good, random: 0.5 }],
  ['an onEvent that is no function', { ...good, onEvent: {} }],
  ['a schema name of Postgres', { ...good, schema: 'pg_catalog' }],
])('createRelay refuses %s', (_, options) => {
  expect(() => createRelay(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
})

test('createRelay takes what it needs, and nothing else', () => {
  expect(createRelay(good as never).state).toBe('idle')
})
