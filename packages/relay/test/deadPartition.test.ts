import { partitionOf } from '@oncebox/core'
import { until } from '@oncebox/testkit'
import type { Publisher, PublishOutcome } from '@oncebox/transport'
import { describe, expect, test } from 'vitest'
import { type Bench, bench } from './relayBench.js'

const partitions = 3
const dead = 1
const keys = 500
const partitionOfKey = (key: string) => partitionOf(Buffer.from(key), partitions)

/** A transport of which one partition does not answer until `mend` is called. */
function withDeadPartition(at: Bench): Publisher & { mend(): void; readonly asked: () => number } {
  const inner = at.transport.publisher()
  let mended = false
  let asked = 0
  return {
    name: 'with a dead partition',
    connect: () => inner.connect(),
    partitions: (topic) => inner.partitions(topic),
    createTopic: (topic, count) => inner.createTopic(topic, count),
    close: () => inner.close(),
    async publish(records) {
      if (mended) return inner.publish(records)
      const isDead = (index: number) => records[index]?.partition === dead
      if (records.some((_, index) => isDead(index))) asked++
      const sent = await inner.publish(records.filter((_, index) => !isDead(index)))
      const silent = { status: 'failed', code: 'TRANSPORT_UNREACHABLE', reason: 'nobody answers' } as const
      return records.map((_, index): PublishOutcome => (isDead(index) ? silent : (sent.shift() as PublishOutcome)))
    },
    mend() {
      mended = true
    },
    asked: () => asked,
  }
}

/** `count` messages for each of many keys, numbered by their key: `k17 3`. */
async function fill(at: Bench, first: number, count: number): Promise<void> {
  await at.query(
    `insert into oncebox.outbox (id, source, topic, key, type, payload)
    select gen_random_uuid(), 's', 't', 'k' || key, 'x', convert_to('k' || key || ' ' || number, 'UTF8')
    from generate_series($1::int, $2::int) as number, generate_series(1, ${keys}) as key order by number, key`,
    [first, first + count - 1],
  )
}

const isAlive = (value: string) => partitionOfKey(value.split(' ')[0] as string) !== dead
const alive = (at: Bench) => at.values('t').filter(isAlive)

/** Of each key the numbers of its first deliveries, in order. */
function numbersByKey(at: Bench): Map<string, number[]> {
  const byKey = new Map<string, number[]>()
  for (const value of new Set(at.values('t'))) {
    const [key, number] = value.split(' ') as [string, string]
    byKey.set(key, [...(byKey.get(key) ?? []), Number(number)])
  }
  return byKey
}

describe('a partition that does not answer', () => {
  test('G4: waits as a whole, while all other partitions flow, and comes back in the order of its keys', async () => {
    await using at = await bench()
    const publisher = withDeadPartition(at)
    const living = Array.from({ length: keys }, (_, key) => `k${key + 1}`).filter(isAlive).length
    await fill(at, 1, 2)
    await at.relay({ publisher, parkAfterMs: 0, batchBytes: 200_000 }).start()
    await until(() => alive(at).length === 2 * living, { what: 'the other partitions', deadlineMs: 30_000 })
    await until(async () => Number((await at.query('select from oncebox.parked')).length) === 2 * (keys - living), {
      what: 'the partition to be moved aside',
      deadlineMs: 30_000,
    })
    const askedBefore = publisher.asked()
    await fill(at, 3, 4)
    await until(() => alive(at).length === 6 * living, { what: 'more of the other partitions', deadlineMs: 30_000 })
    // A key of its own each would have been a question each; the partition is asked for now and then.
    expect(publisher.asked() - askedBefore).toBeLessThan(20)
    publisher.mend()
    await fill(at, 7, 1)
    await until(() => new Set(at.values('t')).size === 7 * keys, { what: 'everything', deadlineMs: 60_000 })
    const numbers = numbersByKey(at)
    expect(numbers.size).toBe(keys)
    for (const each of numbers.values()) expect(each).toEqual([1, 2, 3, 4, 5, 6, 7])
    await until(async () => (await at.query('select from oncebox.parked')).length === 0, {
      what: 'nothing to be aside',
    })
  })

  test('G4: still waits as a whole for the relay that takes over', async () => {
    await using at = await bench()
    const publisher = withDeadPartition(at)
    await fill(at, 1, 1)
    const first = at.relay({ publisher, parkAfterMs: 0 })
    await first.start()
    await until(async () => (await at.query('select from oncebox.parked')).length > 0, {
      what: 'the partition to be moved aside',
      deadlineMs: 30_000,
    })
    await first.stop()
    await fill(at, 2, 1)
    const second = at.relay({ publisher })
    await second.start()
    await second.drain()
    expect(at.values('t').every(isAlive)).toBe(true)
    publisher.mend()
    await until(() => new Set(at.values('t')).size === 2 * keys, { what: 'everything', deadlineMs: 60_000 })
    for (const each of numbersByKey(at).values()) expect(each).toEqual([1, 2])
  })
})
