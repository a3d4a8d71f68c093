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
function withDeadPartition(at: Bench): Publisher & { mend(): void; asked(): number; inCalls(): readonly number[] } {
  const inner = at.transport.publisher()
  let mended = false
  const inCalls: number[] = []
  return {
    name: 'with a dead partition',
    connect: () => inner.connect(),
    partitions: (topic) => inner.partitions(topic),
    createTopic: (topic, count) => inner.createTopic(topic, count),
    close: () => inner.close(),
    async publish(records) {
      if (mended) return inner.publish(records)
      const isDead = (index: number) => records[index]?.partition === dead
      const dying = records.filter((_, index) => isDead(index)).length
      if (dying > 0) inCalls.push(dying)
      const sent = await inner.publish(records.filter((_, index) => !isDead(index)))
      const silent = { status: 'failed', code: 'TRANSPORT_UNREACHABLE', reason: 'nobody answers' } as const
      return records.map((_, index): PublishOutcome => (isDead(index) ? silent : (sent.shift() as PublishOutcome)))
    },
    mend() {
      mended = true
    },
    /** How many calls there were with records of the dead partition, and how many records that were in each. */
    asked: () => inCalls.length,
    inCalls: () => inCalls,
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

  const emit = (at: Bench, text: string, where: string) =>
    at.query(
      `insert into oncebox.outbox (id, source, topic, key, type, payload)
      select gen_random_uuid(), 's', 't', key, 'x', convert_to(key || ' ' || number, 'UTF8')
      from unnest($1::text[]) as key, generate_series(1, ${where}) as number order by number, key`,
      [text.split(' ')],
    )
  const all = Array.from({ length: keys }, (_, key) => `k${key + 1}`)
  const deadKeys = all.filter((key) => !isAlive(key)).slice(0, 10)
  const livingKeys = all.filter(isAlive).slice(0, 10)

  test('fills half of a call at most, however much of it waits', async () => {
    await using at = await bench()
    const publisher = withDeadPartition(at)
    await emit(at, livingKeys.join(' '), '1')
    await emit(at, deadKeys.join(' '), '10')
    await at.relay({ publisher, batchMessages: 10 }).start()
    await until(() => publisher.asked() > 3, { what: 'the partition to fail', deadlineMs: 20_000 })
    await emit(at, livingKeys.join(' '), '20')
    await until(() => alive(at).length === 210, { what: 'the other partitions', deadlineMs: 20_000 })
    expect(await at.query('select from oncebox.parked')).toEqual([])
    // The first call has them all, before anybody knows.
    expect(Math.max(...publisher.inCalls().slice(1))).toBe(5)
    publisher.mend()
    await until(() => new Set(at.values('t')).size === 300, { what: 'everything', deadlineMs: 20_000 })
  })

  test('G1: is moved aside when memory is full of it before anything else was read', async () => {
    await using at = await bench()
    const publisher = withDeadPartition(at)
    await emit(at, deadKeys.join(' '), '50')
    await emit(at, livingKeys.join(' '), '1')
    await at.relay({ publisher, batchMessages: 20, batchBytes: 20_000, parkAfterMs: 100 }).start()
    await until(() => alive(at).length === 10, { what: 'what was written behind it', deadlineMs: 30_000 })
    publisher.mend()
    await until(() => new Set(at.values('t')).size === 510, { what: 'everything', deadlineMs: 60_000 })
    for (const [key, numbers] of numbersByKey(at)) {
      expect(numbers).toEqual(Array.from({ length: isAlive(key) ? 1 : 50 }, (_, index) => index + 1))
    }
  })

  test('comes back by itself when there is no other traffic', async () => {
    await using at = await bench()
    const publisher = withDeadPartition(at)
    await at.relay({ publisher, parkAfterMs: 1_000, batchMessages: 10 }).start()
    await emit(at, deadKeys.join(' '), '3')
    await until(() => publisher.asked() > 1, { what: 'the partition to fail', deadlineMs: 20_000 })
    await emit(at, livingKeys.slice(0, 1).join(' '), '1')
    await until(async () => (await at.query('select from oncebox.parked')).length === 30, {
      what: 'all of it to be moved aside',
      deadlineMs: 30_000,
    })
    publisher.mend()
    await until(() => new Set(at.values('t')).size === 31, { what: 'everything', deadlineMs: 30_000 })
  })
})

describe('a topic that cannot be looked up', () => {
  test('G4: holds its messages together, and they leave in order when it can, more than one call of them', async () => {
    await using at = await bench()
    const relay = at.relay({ batchMessages: 10, batchBytes: 10_000 })
    await relay.start()
    at.transport.disconnect()
    await at.fill('late', 100, 400)
    await until(() => at.events.filter(({ event }) => event === 'publish_failed').length >= 3, {
      what: 'failures',
      deadlineMs: 20_000,
    })
    at.transport.reconnect()
    await until(() => new Set(at.values('late')).size === 100, { what: 'everything', deadlineMs: 30_000 })
    const byKey = Map.groupBy(at.transport.records('late'), (record) => `${Buffer.from(record.key ?? [])}`)
    for (const records of byKey.values()) {
      const numbers = [...new Set(records.map((record) => Number(Buffer.from(record.value ?? []).toString())))]
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    }
    await relay.stop()
  })
})
