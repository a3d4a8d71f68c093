import { expect } from 'vitest'
import { Collector, eventually } from './collector.js'
import { range, type Suite } from './suite.js'

export function groupTests(suite: Suite): void {
  suite.test('several groups each get everything', [], async () => {
    const groups = [suite.group(), suite.group(), suite.group()]
    const topic = await suite.topic(2, ...groups)
    const collectors = groups.map(() => new Collector())
    for (const [at, group] of groups.entries()) await suite.subscribe(topic, group, collectors[at] as Collector)
    await suite.publishAll(range(25).map((n) => topic.record(`k${n % 5}`, `${n}`)))
    for (const collector of collectors) {
      await collector.received(25)
      expect(collector.values.map(Number).sort((a, b) => a - b)).toEqual(range(25))
    }
  })

  suite.test('a new group starts at the earliest record', ['earliest'], async () => {
    const group = suite.group()
    const topic = await suite.topic(2, group)
    await suite.publishAll(range(10).map((n) => topic.record(`k${n}`, `${n}`)))
    const collector = new Collector()
    await suite.subscribe(topic, group, collector)
    await collector.received(10)
    expect(collector.values.map(Number).sort((a, b) => a - b)).toEqual(range(10))
  })

  suite.test('members of a group share its partitions, and hand them over without a gap', ['partitions'], async () => {
    const group = suite.group()
    const topic = await suite.topic(4, group)
    const publisher = await suite.publisher()
    let published = 0
    const publish = async (count: number) => {
      const records = range(count).map(() => topic.at(published % 4, `${published++}`))
      expect((await publisher.publish(records)).every((outcome) => outcome.status === 'acked')).toBe(true)
    }
    const [first, second] = [new Collector(), new Collector()]
    await suite.subscribe(topic, group, first)
    await publish(40)
    await first.received(40)
    const subscription = await suite.subscribe(topic, group, second)
    // Traffic goes on while partitions move; both get some once they have.
    await eventually(() => {
      expect(second.assignments.at(-1)?.length).toBe(2)
      expect(first.revocations.length).toBeGreaterThan(0)
    })
    const before = second.records.length
    await publish(40)
    await eventually(() => expect(first.records.length + second.records.length).toBeGreaterThanOrEqual(80))
    expect(second.records.length).toBeGreaterThan(before)
    await subscription.stop({ deadlineMs: 10_000 })
    await publish(40)
    await eventually(() => {
      const all = [...first.values, ...second.values].map(Number).sort((a, b) => a - b)
      expect(all).toEqual(range(120))
    })
    for (const partition of range(4)) {
      const own = first.valuesOf(`p${partition}`).map(Number)
      expect(own).toEqual([...own].sort((a, b) => a - b))
    }
    expect(first.overlapped || second.overlapped).toBe(false)
  })

  suite.test('a handler that runs longer than the session timeout is not run twice', [], async () => {
    const group = suite.group()
    const topic = await suite.topic(2, group)
    const longer = (suite.options.sessionTimeoutMs ?? 6000) * 1.5
    const answer = async ({ records }: { records: readonly unknown[] }) => {
      // The test is about the passing of this time.
      await new Promise((resolve) => setTimeout(resolve, longer))
      return { done: records.length }
    }
    const collectors = [new Collector({ answer }), new Collector({ answer })]
    for (const collector of collectors) await suite.subscribe(topic, group, collector)
    await suite.publishAll([topic.record('k', '1')])
    await eventually(() => expect(collectors.flatMap((each) => each.values)).toEqual(['1']))
    await suite.publishAll([topic.record('k', '2')])
    await eventually(() => expect(collectors.flatMap((each) => each.values)).toContain('2'))
    // Without partitions either of them may have had either.
    expect(collectors.flatMap((each) => each.values).sort()).toEqual(['1', '2'])
    expect(collectors.flatMap((each) => each.batches).some((batch) => batch.signal.aborted)).toBe(false)
  })
}
