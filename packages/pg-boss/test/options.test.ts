import { pgBoss } from '@oncebox/pg-boss'
import { expect, test } from 'vitest'

const good = { connectionString: 'postgres://localhost/shop', topics: { orders: ['billing'] } }

test.each<[string, unknown]>([
  ['no settings', undefined],
  ['no topics', { ...good, topics: undefined }],
  ['groups that are one text', { ...good, topics: { orders: 'billing' } }],
  ['a group that is no text', { ...good, topics: { orders: [1] } }],
  ['a connection string that is none', { ...good, connectionString: 5 }],
  ['a heartbeat in words', { ...good, heartbeatSeconds: '5' }],
])('pgBoss refuses %s', (_, options) => {
  expect(() => pgBoss(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
})
