import { silentLogger } from '@oncebox/core'
import { expect } from 'vitest'
import { Collector, eventually, gate } from './collector.js'
import { range, type Suite } from './suite.js'

export function deliveryTests(suite: Suite): void {
  suite.test('batches keep to maxRecords and maxBytes, and a larger record comes alone', [], async () => {
    const group = suite.group()
    const topic = await suite.topic(1, group)
    const values = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(500), 'd', 'e', 'f', 'g', 'h']
    await suite.publishAll(values.map((value) => topic.record('k', value)))
    const collector = new Collector()
    await suite.subscribe(topic, group, collector, { maxRecords: 3, maxBytes: 100 })
    await collector.received(values.length)
    expect(collector.values).toEqual(values)
    for (const { records } of collector.batches) {
      const bytes = records.reduce((sum, record) => sum + (record.value?.length ?? 0), 0)
      expect(records.length).toBeLessThanOrEqual(3)
      expect(bytes <= 100 || records.length === 1).toBe(true)
    }
  })

  suite.test('what is not done is delivered again, the done front is not', [], async () => {
    const group = suite.group()
    const topic = await suite.topic(1, group)
    // Keys differ because a transport may hand out one record of a key at a time.
    await suite.publishAll(range(10).map((n) => topic.record(`k${n}`, `${n}`)))
    let left = 4
    const collector = new Collector({
      answer: ({ records }) => (left-- > 0 ? { done: Math.min(2, records.length) } : { done: records.length }),
    })
    await suite.subscribe(topic, group, collector)
    await eventually(() => expect(new Set(collector.values).size).toBe(10))
    await eventually(() => expect(left).toBeLessThan(0))
    const starts = collector.batches.map((batch) => Number(batch.records[0]?.value))
    expect(starts.slice(0, 5)).toEqual([0, 2, 4, 6, 8])
    expect(collector.overlapped).toBe(false)
  })

  suite.test('a partition is retried no sooner than retryAfterMs, while the others go on', ['partitions'], async () => {
    const group = suite.group()
    const topic = await suite.topic(2, group)
    const seen: { value: string; at: number }[] = []
    let refusals = 0
    const collector = new Collector({
      answer: ({ partition, records }) => {
        for (const { value } of records) seen.push({ value: `${value}`, at: performance.now() })
        if (partition !== 0 || refusals === 1) return { done: records.length }
        refusals++
        return { done: 0, retryAfterMs: 6000 }
      },
    })
    await suite.subscribe(topic, group, collector)
    const publisher = await suite.publisher()
    await publisher.publish([topic.at(0, 'slow')])
    await eventually(() => expect(refusals).toBe(1))
    await publisher.publish([topic.at(1, 'other')])
    await eventually(() => expect(seen.filter(({ value }) => value === 'slow')).toHaveLength(2))
    const [first, other, second] = seen as [(typeof seen)[0], (typeof seen)[0], (typeof seen)[0]]
    expect([first.value, other.value, second.value]).toEqual(['slow', 'other', 'slow'])
    expect(second.at - first.at).toBeGreaterThanOrEqual(5990)
  })

  suite.test('a handler that rejects gets the batch again', [], async () => {
    const group = suite.group()
    const topic = await suite.topic(1, group)
    await suite.publishAll([topic.record('a', '1'), topic.record('b', '2')])
    let rejections = 0
    const collector = new Collector({
      answer: ({ records }) => {
        if (rejections++ === 0) throw new Error('the handler failed')
        return { done: records.length }
      },
    })
    await suite.subscribe(topic, group, collector)
    await eventually(() => expect(collector.values).toEqual(['1', '2', '1', '2']))
  })

  suite.test('a subscriber that starts again goes on after the last record done', [], async () => {
    const group = suite.group()
    const topic = await suite.topic(2, group)
    await suite.publishAll(range(20).map((n) => topic.record(`k${n % 3}`, `${n}`)))
    const first = new Collector()
    const subscription = await suite.subscribe(topic, group, first)
    await first.received(20)
    await subscription.stop({ deadlineMs: 10_000 })
    await subscription.stop({ deadlineMs: 10_000 })
    await suite.publishAll(range(5).map((n) => topic.record(`k${n % 3}`, `new ${n}`)))
    const second = new Collector()
    await suite.subscribe(topic, group, second)
    await second.received(5)
    expect(second.values.sort()).toEqual(range(5).map((n) => `new ${n}`))
  })

  suite.test('a stop waits for the running batch and acks it', [], async () => {
    const group = suite.group()
    const topic = await suite.topic(1, group)
    await suite.publishAll([topic.record('k', '1')])
    const [begun, finish] = [gate(), gate()]
    const first = new Collector({
      answer: async ({ records }) => {
        begun.open()
        await finish.opened
        return { done: records.length }
      },
    })
    const subscription = await suite.subscribe(topic, group, first)
    await begun.opened
    let stopped = false
    const stopping = subscription.stop({ deadlineMs: 30_000 }).then(() => {
      stopped = true
    })
    await suite.publishAll([topic.record('k', '2')])
    expect(stopped).toBe(false)
    finish.open()
    await stopping
    expect(first.batches[0]?.signal.aborted).toBe(false)
    expect(first.values).toEqual(['1'])
    expect(first.revocations).toHaveLength(1)
    const second = new Collector()
    await suite.subscribe(topic, group, second)
    await second.received(1)
    expect(second.values).toEqual(['2'])
  })

  suite.test('a stop past its deadline aborts the batch, which is then delivered again', [], async () => {
    const group = suite.group()
    const topic = await suite.topic(1, group)
    await suite.publishAll([topic.record('k', '1')])
    const [begun, finish] = [gate(), gate()]
    const first = new Collector({
      answer: async ({ records }) => {
        begun.open()
        await finish.opened
        return { done: records.length }
      },
    })
    const subscription = await suite.subscribe(topic, group, first)
    await begun.opened
    await subscription.stop({ deadlineMs: 200 })
    expect(first.batches[0]?.signal.aborted).toBe(true)
    finish.open()
    const second = new Collector()
    await suite.subscribe(topic, group, second)
    await second.received(1)
    expect(second.values).toEqual(['1'])
  })

  suite.test('retentionMs() is a number for a topic that exists', [], async () => {
    const topic = await suite.topic(1, suite.group())
    const subscriber = suite.harness.subscriber()
    const retention = await subscriber.retentionMs(topic.name)
    await subscriber.close()
    expect(retention === null || retention === -1 || retention > 0).toBe(true)
  })

  suite.test('subscribing to a missing topic is refused', ['missingTopics'], async () => {
    const subscriber = suite.harness.subscriber()
    const options = { group: suite.group(), maxRecords: 1, maxBytes: 1, logger: silentLogger }
    const subscribing = subscriber.subscribe({ ...options, topics: [`absent-${options.group}`] }, new Collector())
    await expect(subscribing).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
    await subscriber.close()
  })
}
