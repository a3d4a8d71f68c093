import { expect } from 'vitest'
import type { TopicPartition } from '../subscriber.js'
import { Collector, eventually } from './collector.js'
import { range, type Suite } from './suite.js'

export function offsetTests(suite: Suite): void {
  suite.test('the group is sent to the offsets of assigned(), also when nothing new comes', ['offsets'], async () => {
    const group = suite.group()
    const topic = await suite.topic(2, group)
    await suite.publishAll([...range(6).map((n) => topic.at(0, `a${n}`)), ...range(6).map((n) => topic.at(1, `b${n}`))])
    const first = new Collector()
    const subscription = await suite.subscribe(topic, group, first)
    await first.received(12)
    await subscription.stop({ deadlineMs: 10_000 })

    const second = new Collector({ offset: ({ partition }) => (partition === 0 ? '3' : undefined) })
    await suite.subscribe(topic, group, second)
    await second.received(3)
    await suite.publishAll([topic.at(0, 'a6'), topic.at(1, 'b6')])
    await second.received(5)
    expect(second.values.sort()).toEqual(['a3', 'a4', 'a5', 'a6', 'b6'])
  })

  suite.test('an offset of assigned() ahead of the group skips what lies before', ['offsets'], async () => {
    const group = suite.group()
    const topic = await suite.topic(1, group)
    await suite.publishAll(range(6).map((n) => topic.at(0, `${n}`)))
    const collector = new Collector({ offset: () => '4' })
    await suite.subscribe(topic, group, collector)
    await collector.received(2)
    expect(collector.values).toEqual(['4', '5'])
  })

  suite.test('an offset beyond the end is ignored, and said', ['offsets'], async () => {
    const group = suite.group()
    const topic = await suite.topic(1, group)
    await suite.publishAll(range(3).map((n) => topic.at(0, `${n}`)))
    const warnings: string[] = []
    const warn = (_: object, message: string) => {
      warnings.push(message)
    }
    const logger = { debug: () => {}, info: () => {}, error: () => {}, warn }
    const collector = new Collector({ offset: () => '1000' })
    await suite.subscribe(topic, group, collector, { logger })
    await collector.received(3)
    expect(collector.values).toEqual(['0', '1', '2'])
    expect(warnings.some((message) => message.includes('beyond the end'))).toBe(true)
  })

  suite.test('no batch comes before assigned() has answered, and a rejection is tried again', [], async () => {
    const [group, others] = [suite.group(), suite.group()]
    const topic = await suite.topic(2, group, others)
    await suite.publishAll(range(8).map((n) => topic.record(`k${n}`, `${n}`)))
    class Hesitant extends Collector {
      attempts = 0
      early = false
      override async assigned(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<TopicPartition, string>> {
        if (this.attempts++ === 0) throw new Error('the database is away')
        // A subscriber that does not wait for the answer would deliver before a group that asks only now has it all.
        const witness = new Collector()
        await suite.subscribe(topic, others, witness)
        await witness.received(8)
        this.early ||= this.records.length > 0
        return super.assigned(partitions)
      }
    }
    const collector = new Hesitant()
    await suite.subscribe(topic, group, collector)
    await collector.received(8)
    await eventually(() => expect(collector.assignments.flat().length).toBeGreaterThanOrEqual(1))
    expect(collector.early).toBe(false)
    expect(collector.attempts).toBeGreaterThanOrEqual(2)
  })
}
