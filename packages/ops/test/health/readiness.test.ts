import type { ConsumerEvent } from '@oncebox/inbox'
import { consumerReadiness, databaseReadiness, relayReadiness } from '@oncebox/ops'
import { expect, test } from 'vitest'

test('a relay is ready while it publishes or stands by, on every lane of its process', () => {
  const relay = relayReadiness({ lanes: [0, 1] })
  expect(relay.check()).toBe('lane 0 has not started, lane 1 has not started')
  relay.onEvent({ event: 'ready', lane: 0, epoch: 1 })
  relay.onEvent({ event: 'standby', lane: 1 })
  expect(relay.check()).toBeNull()
  relay.onEvent({ event: 'interrupted', lane: 1, code: '57P01', retryInMs: 50 })
  expect(relay.check()).toBe('lane 1 was interrupted (57P01)')
  relay.onEvent({ event: 'standby', lane: 1 })
  relay.onEvent({ event: 'lease_lost', lane: 0, epoch: 1 })
  expect(relay.check()).toBe('lane 0 has lost its lease')
  relay.onEvent({ event: 'standby', lane: 0 })
  expect(relay.check()).toBeNull()
  relay.onEvent({ event: 'stopped', lane: 0 })
  expect(relay.check()).toBe('lane 0 has stopped')
  // A lane that was taken away is nobody's any more.
  relay.onEvent({ event: 'lane_removed', lane: 0 })
  relay.onEvent({ event: 'stopped', lane: 0 })
  expect(relay.check()).toBeNull()
})

test('a transport that acknowledges nothing makes a relay unready after a while, until something gets through', () => {
  let nowMs = 0
  const relay = relayReadiness({ failingMs: 10_000, clock: { now: () => nowMs } })
  const failed = { event: 'publish_failed', lane: 0, count: 5, code: 'TRANSPORT_UNREACHABLE' } as const
  relay.onEvent({ event: 'ready', lane: 0, epoch: 1 })
  relay.onEvent(failed)
  nowMs = 9_999
  relay.onEvent(failed)
  expect(relay.check()).toBeNull()
  nowMs = 12_000
  expect(relay.check()).toBe('lane 0 gets no acknowledgement for 12 s')
  relay.onEvent({ event: 'published', lane: 0, count: 5, waitedMs: 12_000, trace: null })
  expect(relay.check()).toBeNull()
  // One partition of many that fails is not the relay's state.
  for (let second = 0; second < 60; second++) {
    nowMs += 1_000
    relay.onEvent({ event: 'published', lane: 0, count: 5, waitedMs: 1, trace: null })
    relay.onEvent(failed)
    expect(relay.check()).toBeNull()
  }
})

test('a consumer is ready while it runs and its database is there', () => {
  let nowMs = 0
  const consumer = consumerReadiness({ pausedMs: 10_000, clock: { now: () => nowMs } })
  const place = { topic: 'orders', partition: 0 }
  const paused: ConsumerEvent = { type: 'paused', ...place, retryAfterMs: 10_000 }
  const none = { handled: 0, duplicates: 0, deadLettered: 0, skipped: 0, parked: 0, ignored: 0 }
  expect(consumer.check()).toBe('is not running')
  consumer.onEvent({ type: 'started', group: 'billing', topics: ['orders'] })
  consumer.onEvent(paused)
  expect(consumer.check()).toBeNull()
  nowMs = 11_000
  consumer.onEvent(paused)
  expect(consumer.check()).toBe('cannot use its database since 11 s')
  consumer.onEvent({ type: 'committed', ...place, ...none, tookMs: 1, first: null })
  expect(consumer.check()).toBeNull()
  consumer.onEvent({ type: 'stopped', group: 'billing' })
  expect(consumer.check()).toBe('is not running')
})

test('a pause that ended because the partition went to another consumer does not keep one unready', () => {
  let nowMs = 0
  const consumer = consumerReadiness({ clock: { now: () => nowMs } })
  consumer.onEvent({ type: 'started', group: 'billing', topics: ['orders'] })
  consumer.onEvent({ type: 'paused', topic: 'orders', partition: 0, retryAfterMs: 5_000 })
  nowMs = 20_000
  expect(consumer.check()).not.toBeNull()
  nowMs = 65_001
  expect(consumer.check()).toBeNull()
})

test('however many probes come, a database that does not answer is asked one question', async () => {
  let questions = 0
  const answers: (() => void)[] = []
  const database = databaseReadiness({
    query() {
      questions++
      return new Promise((resolve) => answers.push(() => resolve({ rows: [] })))
    },
  })
  const probes = Promise.all([database.check(), database.check(), database.check()])
  expect(questions).toBe(1)
  for (const answer of answers) answer()
  expect(await probes).toEqual([null, null, null])
})
