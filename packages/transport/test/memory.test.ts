import { type Clock, silentLogger } from '@oncebox/core'
import type { BatchHandler, IncomingBatch, OutgoingRecord } from '@oncebox/transport'
import { memoryTransport } from '@oncebox/transport/memory'
import { describe, expect, it, vi } from 'vitest'

const record = (key: string | null, value: string, partition: number | null = null): OutgoingRecord => ({
  topic: 'orders',
  partition,
  key: key === null ? null : Buffer.from(key),
  value: Buffer.from(value),
  headers: [],
})
const limits = { group: 'billing', topics: ['orders'], maxRecords: 100, maxBytes: 1_000_000, logger: silentLogger }
const texts = (batch: Pick<IncomingBatch, 'records'>) => batch.records.map((each) => String(each.value))

function handler(overrides: Partial<BatchHandler>): BatchHandler {
  return {
    assigned: async () => new Map(),
    batch: async (batch) => ({ done: batch.records.length }),
    revoked: async () => {},
    ...overrides,
  }
}

describe('the in-memory transport', () => {
  it('fails a publish with a lost ack although its records were written', async () => {
    const transport = memoryTransport()
    const publisher = transport.publisher()
    transport.failNextPublish('ackLost')
    const [outcome] = await publisher.publish([record('a', '1')])
    expect(outcome?.status).toBe('failed')
    expect(texts({ records: transport.records('orders') })).toEqual(['1'])
    expect((await publisher.publish([record('a', '2')]))[0]?.status).toBe('acked')
  })

  it('fails a publish that was not sent and writes nothing', async () => {
    const transport = memoryTransport()
    transport.failNextPublish('notSent')
    expect((await transport.publisher().publish([record('a', '1')]))[0]?.status).toBe('failed')
    expect(transport.records('orders')).toHaveLength(0)
  })

  it('refuses what the rule names, and holds the later records of its key', async () => {
    const transport = memoryTransport()
    transport.refuse((each) => (String(each.value) === 'bad' ? 'NOT_AUTHORIZED' : null))
    const outcomes = await transport.publisher().publish([record('a', 'bad'), record('b', '1'), record('a', '2')])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['refused', 'acked', 'held'])
    transport.refuse(null)
    expect((await transport.publisher().publish([record('a', 'bad')]))[0]?.status).toBe('acked')
  })

  it('delivers again from the offset a test asks for', async () => {
    const transport = memoryTransport({ partitions: 1 })
    const seen: string[] = []
    const subscription = await transport.subscriber().subscribe(
      limits,
      handler({
        batch: async (batch) => {
          seen.push(...texts(batch))
          return { done: batch.records.length }
        },
      }),
    )
    await transport.publisher().publish([record('a', '1'), record('a', '2')])
    await vi.waitFor(() => expect(transport.committed('billing', 'orders', 0)).toBe(2))
    transport.redeliver('billing', 'orders', 0, 1)
    await vi.waitFor(() => expect(seen).toEqual(['1', '2', '2']))
    await subscription.stop({ deadlineMs: 1000 })
  })

  it('takes the pause before a redelivery from the given clock', async () => {
    const sleeps: number[] = []
    const clock: Clock = {
      now: () => 42,
      sleep: async (ms) => {
        sleeps.push(ms)
      },
    }
    const transport = memoryTransport({ partitions: 1, clock })
    let calls = 0
    const subscription = await transport.subscriber().subscribe(
      limits,
      handler({
        batch: async (batch) => (++calls === 1 ? { done: 0, retryAfterMs: 60_000 } : { done: batch.records.length }),
      }),
    )
    await transport.publisher().publish([record('a', '1')])
    await vi.waitFor(() => expect(calls).toBe(2))
    expect(sleeps).toEqual([60_000])
    expect(transport.records('orders')[0]?.timestamp).toBe(42)
    await subscription.stop({ deadlineMs: 0 })
  })

  it('aborts the running batch and does not commit it when the broker goes away', async () => {
    const transport = memoryTransport({ partitions: 1 })
    const aborted: boolean[] = []
    const subscription = await transport.subscriber().subscribe(
      limits,
      handler({
        batch: async (batch) => {
          if (aborted.length === 0) transport.disconnect()
          aborted.push(batch.signal.aborted)
          return { done: batch.records.length }
        },
      }),
    )
    await transport.publisher().publish([record('a', '1')])
    await vi.waitFor(() => expect(aborted).toEqual([true]))
    expect(transport.committed('billing', 'orders', 0)).toBe(0)
    transport.reconnect()
    await vi.waitFor(() => expect(transport.committed('billing', 'orders', 0)).toBe(1))
    expect(aborted).toEqual([true, false])
    await subscription.stop({ deadlineMs: 1000 })
  })

  it('refuses an unknown topic when told so', async () => {
    const transport = memoryTransport({ missingTopics: 'refuse' })
    expect(await transport.publisher().partitions('orders')).toBeNull()
    expect((await transport.publisher().publish([record('a', '1')]))[0]).toMatchObject({ code: 'TOPIC_MISSING' })
    await expect(transport.subscriber().subscribe(limits, handler({}))).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
  })
})

it.each([
  ['no partitions', { partitions: 0 }],
  ['partitions in words', { partitions: '3' as never }],
  ['a policy that there is not', { missingTopics: 'ignore' as never }],
  ['a clock that cannot sleep', { clock: { now: Date.now } as never }],
])('%s is an invalid setting', (_what, options) => {
  expect(() => memoryTransport(options)).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
})
