import { expect } from 'vitest'
import type { PublishOutcome } from '../publisher.js'
import { Collector } from './collector.js'
import { range, type Suite, Topic } from './suite.js'

const statuses = (outcomes: readonly PublishOutcome[]) => outcomes.map((outcome) => outcome.status)

export function publishingTests(suite: Suite): void {
  suite.test('publishing nothing resolves to nothing', [], async () => {
    const publisher = await suite.publisher()
    expect(await publisher.publish([])).toEqual([])
  })

  suite.test('records of one key are delivered in the order in which they were published', [], async () => {
    const group = suite.group()
    const topic = await suite.topic(3, group)
    const publisher = await suite.publisher()
    for (const round of range(4)) {
      const records = range(60).map((index) => topic.record(`k${index % 7}`, `${round * 60 + index}`))
      expect(new Set(statuses(await publisher.publish(records)))).toEqual(new Set(['acked']))
    }
    const collector = new Collector()
    await suite.subscribe(topic, group, collector)
    await collector.received(240)
    for (const key of range(7)) {
      const expected = range(240).filter((n) => (n % 60) % 7 === key)
      expect(collector.valuesOf(`k${key}`)).toEqual(expected.map(String))
    }
  })

  suite.test('an acked record is found at the partition and offset of its outcome', ['offsets'], async () => {
    const group = suite.group()
    const topic = await suite.topic(3, group)
    const records = [...range(30).map((n) => topic.record(`k${n}`, `${n}`)), topic.record(null, 'no key')]
    const publisher = await suite.publisher()
    const outcomes = [...(await publisher.publish(records)), ...(await publisher.publish(records))]
    const collector = new Collector()
    await suite.subscribe(topic, group, collector)
    await collector.received(62)
    outcomes.forEach((outcome, index) => {
      if (outcome.status !== 'acked') throw new Error(`record ${index} is ${outcome.status}`)
      const sent = records[index % records.length]
      const found = collector.records.find(
        (each) => each.partition === outcome.partition && each.offset === String(outcome.offset),
      )
      expect(String(found?.value)).toBe(String(sent?.value))
      if (sent?.partition !== null) expect(outcome.partition).toBe(sent?.partition)
    })
  })

  suite.test('one call carries records of several topics', [], async () => {
    const group = suite.group()
    const [first, second] = [await suite.topic(2, group), await suite.topic(1, group)]
    await suite.publishAll([first.record('a', '1'), second.record('a', '2'), first.record('a', '3')])
    const collector = new Collector()
    await suite.subscribe(first, group, collector, { topics: [first.name, second.name] })
    await collector.received(3)
    const of = (topic: Topic) => collector.records.filter((each) => each.topic === topic.name).map((r) => `${r.value}`)
    expect(of(first)).toEqual(['1', '3'])
    expect(of(second)).toEqual(['2'])
  })

  suite.test('a call larger than one request of the transport is acked whole and stays in order', [], async () => {
    const group = suite.group()
    const topic = await suite.topic(2, group)
    const filler = 'x'.repeat(3000)
    await suite.publishAll(range(1500).map((n) => topic.record('one key', `${n}:${filler}`)))
    const collector = new Collector()
    await suite.subscribe(topic, group, collector)
    await collector.received(1500)
    expect(collector.values.map((value) => Number(value.split(':')[0]))).toEqual(range(1500))
  })

  suite.test(
    'an oversize record is refused alone: others are acked, its key is held behind it, order is kept',
    ['recordLimit'],
    async () => {
      const group = suite.group()
      const topic = await suite.topic(3, group)
      const oversize = Buffer.alloc(suite.options.oversizeBytes ?? 2_000_000)
      const records = range(40).map((n) => topic.record(`k${n % 4}`, `${n}`))
      records[17] = topic.record('k1', oversize)
      const publisher = await suite.publisher()
      const outcomes = await publisher.publish(records)
      const expected = range(40).map((n) => (n === 17 ? 'refused' : n > 17 && n % 4 === 1 ? 'held' : 'acked'))
      expect(statuses(outcomes)).toEqual(expected)
      expect(outcomes[17]).toMatchObject({ code: 'RECORD_TOO_LARGE' })

      const rest = records.filter((_, n) => expected[n] === 'held')
      expect(statuses(await publisher.publish(rest))).toEqual(rest.map(() => 'acked'))
      const collector = new Collector()
      await suite.subscribe(topic, group, collector)
      await collector.received(39)
      for (const key of range(4)) {
        const first = collector.valuesOf(`k${key}`).filter((value, at, all) => all.indexOf(value) === at)
        expect(first).toEqual(
          range(40)
            .filter((n) => n % 4 === key && n !== 17)
            .map(String),
        )
      }
    },
  )

  suite.test('records without a key are not held behind a refused one', ['recordLimit'], async () => {
    const topic = await suite.topic(1, suite.group())
    const oversize = topic.record(null, Buffer.alloc(suite.options.oversizeBytes ?? 2_000_000))
    const publisher = await suite.publisher()
    const outcomes = await publisher.publish([topic.record(null, '1'), oversize, topic.record(null, '2')])
    expect(statuses(outcomes)).toEqual(['acked', 'refused', 'acked'])
  })

  suite.test('a missing topic is refused, others go on, and it heals once created', ['missingTopics'], async () => {
    const here = await suite.topic(1, suite.group())
    const missing = new Topic(`${here.name}-missing`, 2)
    const publisher = await suite.publisher()
    expect(await publisher.partitions(missing.name)).toBeNull()
    const records = [missing.record('a', '1'), here.record('a', '1'), missing.record('a', '2')]
    const outcomes = await publisher.publish(records)
    expect(statuses(outcomes)).toEqual(['refused', 'acked', 'held'])
    expect(outcomes[0]).toMatchObject({ code: 'TOPIC_MISSING' })

    await publisher.createTopic(missing.name, 2)
    await publisher.createTopic(missing.name, 2)
    expect(await publisher.partitions(missing.name)).toBe(2)
    expect(statuses(await publisher.publish(records))).toEqual(['acked', 'acked', 'acked'])
  })

  suite.test('partitions() tells how many a topic has', ['partitions'], async () => {
    const topic = await suite.topic(5, suite.group())
    expect(await (await suite.publisher()).partitions(topic.name)).toBe(5)
  })

  suite.test('a closed publisher fails what it is given', [], async () => {
    const topic = await suite.topic(1, suite.group())
    const publisher = await suite.publisher()
    await publisher.close()
    await publisher.close()
    expect(statuses(await publisher.publish([topic.record('a', '1')]))).toEqual(['failed'])
  })
}
