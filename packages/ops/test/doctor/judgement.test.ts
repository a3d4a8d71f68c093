import { expect, test } from 'vitest'
import { acks } from '../../src/doctor/checks/acks.js'
import { server } from '../../src/doctor/checks/server.js'

// What no test here can make for real: a cluster of several brokers, and versions of Postgres that are not installed.

const topic = { topic: 'orders', partitions: 3, maxMessageBytes: 1, retentionMs: 1 }
const judged = (replicas: number, inSync: number, minInSync: number | null) =>
  acks
    .judge({ topics: new Map([['orders', { ...topic, replicas, inSync, minInSync }]]) })
    .map(({ code, severity }) => `${code} ${severity ?? 'problem'}`)

test('fewer replicas in sync than a topic wants: no write with acks=all can succeed', () => {
  expect(judged(3, 1, 2)).toEqual(['ACKS_IMPOSSIBLE problem'])
  expect(judged(3, 2, 2)).toEqual([])
  expect(judged(3, 3, 1)).toEqual(['ACKS_WEAK advice'])
  expect(judged(1, 1, 2)).toEqual(['ACKS_WEAK problem'])
  expect(judged(3, 1, null)).toEqual([])
})

test('Postgres before 14 is a problem, one that nobody tested is advice', () => {
  const of = (version: number) =>
    server
      .judge({ server: { version, standby: false } as Parameters<typeof server.judge>[0]['server'] })
      .map(({ code, severity }) => `${code} ${severity ?? 'problem'}`)
  expect(of(130_016)).toEqual(['SERVER_UNSUITED problem'])
  expect(of(140_000)).toEqual([])
  expect(of(180_004)).toEqual([])
  expect(of(190_000)).toEqual(['SERVER_UNSUITED advice'])
})
