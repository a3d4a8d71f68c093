import { expect } from 'vitest'
import { Collector, eventually } from './collector.js'
import { range, type Suite } from './suite.js'

export function outageTests(suite: Suite): void {
  suite.test('publisher and subscriber go on by themselves after the broker was killed', ['outage'], async () => {
    const group = suite.group()
    const topic = await suite.topic(2, group)
    const publisher = await suite.publisher()
    const collector = new Collector()
    await suite.subscribe(topic, group, collector)
    const before = range(10).map((n) => topic.record(`k${n % 2}`, `${n}`))
    expect((await publisher.publish(before)).every((outcome) => outcome.status === 'acked')).toBe(true)
    await collector.received(10)

    const outage = suite.harness.outage
    if (outage === undefined) throw new Error('the harness has no outage although its features say so')
    await outage.begin()
    const during = range(10).map((n) => topic.record(`k${n % 2}`, `${10 + n}`))
    const started = performance.now()
    const lost = await publisher.publish(during)
    expect(lost.every(({ status }) => status === 'failed' || status === 'held')).toBe(true)
    expect(lost[0]).toMatchObject({ status: 'failed' })
    // A relay must learn within its lease that the broker is away, not hang on the client's own retries.
    expect(performance.now() - started).toBeLessThan(20_000)
    await expect(publisher.partitions(topic.name)).rejects.toMatchObject({ retryable: true })
    await outage.end()

    let pending = during
    while (pending.length > 0) {
      const outcomes = await publisher.publish(pending)
      pending = pending.filter((_, index) => outcomes[index]?.status !== 'acked')
    }
    await eventually(() => expect(new Set(collector.values.map(Number))).toEqual(new Set(range(20))))
    for (const key of ['k0', 'k1']) {
      const first = collector.valuesOf(key).filter((value, at, all) => all.indexOf(value) === at)
      expect(first).toEqual([...first].sort((a, b) => Number(a) - Number(b)))
    }
  })
}
