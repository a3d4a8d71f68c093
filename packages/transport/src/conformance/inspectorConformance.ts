import { expect, onTestFinished, test } from 'vitest'
import type { Inspector } from '../inspector.js'

/** What the suite needs from an inspector under test, on a real cluster. */
export interface InspectorHarness {
  /** A new inspector of the cluster; the suite closes it. */
  inspector(): Inspector
  /** One whose brokers nobody answers for, and which gives up within a second or two. */
  unreachable(): Inspector
  /** Makes a topic that nobody else uses, with these settings (`min.insync.replicas`, …), and resolves to its name. */
  createTopic(partitions: number, settings: Readonly<Record<string, string>>): Promise<string>
  /** A name that no topic has. */
  missingTopic(): string
  /** Publishes so many records to one partition. */
  publish(topic: string, partition: number, count: number): Promise<void>
}

/** What every inspector has to answer. Registers tests. */
export function inspectorConformance(create: () => Promise<InspectorHarness>): void {
  const opened = (inspector: Inspector): Inspector => {
    onTestFinished(() => inspector.close())
    return inspector
  }

  test('topics that exist, with their settings; one that does not spoils nothing', async () => {
    const at = await create()
    const config = { 'min.insync.replicas': '2', 'max.message.bytes': '1234', 'retention.ms': '5678' }
    const topic = await at.createTopic(3, config)
    const compacted = await at.createTopic(1, { 'cleanup.policy': 'compact' })
    const inspector = opened(at.inspector())
    const found = await inspector.topics([topic, at.missingTopic(), compacted, topic])
    expect(found.get(topic)).toEqual({
      topic,
      partitions: 3,
      replicas: 1,
      inSync: 1,
      minInSync: 2,
      maxMessageBytes: 1234,
      retentionMs: 5678,
    })
    // A compacted topic keeps the newest record of every key for ever.
    expect(found.get(compacted)).toMatchObject({ partitions: 1, retentionMs: -1 })
    expect([...found.keys()].sort()).toEqual([topic, compacted].sort())
    expect(await inspector.topics([at.missingTopic()])).toEqual(new Map())
    expect(await inspector.topics([])).toEqual(new Map())
    // Asked about, it was not created.
    expect(await inspector.topics([at.missingTopic()])).toEqual(new Map())
  })

  test('a topic that is made meanwhile is there when it is asked for again', async () => {
    const at = await create()
    const inspector = opened(at.inspector())
    expect(await inspector.topics([])).toEqual(new Map())
    const topic = await at.createTopic(2, {})
    expect((await inspector.topics([topic])).get(topic)).toMatchObject({ partitions: 2 })
  })

  test('offsets now, and at a time: the first record published then or later', async () => {
    const at = await create()
    const topic = await at.createTopic(2, {})
    await at.publish(topic, 1, 3)
    const inspector = opened(at.inspector())
    expect(await inspector.offsets(topic)).toEqual(
      new Map([
        [0, { low: '0', high: '0' }],
        [1, { low: '0', high: '3' }],
      ]),
    )
    const now = Date.now()
    const offsetsAt = async (timeMs: number) => Object.fromEntries(await inspector.offsetsAt(topic, timeMs))
    expect(await offsetsAt(now - 3_600_000)).toEqual({ 0: '0', 1: '0' })
    expect(await offsetsAt(now + 3_600_000)).toEqual({ 0: '0', 1: '3' })
  })

  test('nobody at the address is TRANSPORT_UNREACHABLE', async () => {
    const inspector = opened((await create()).unreachable())
    await expect(inspector.topics(['orders'])).rejects.toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
    await expect(inspector.topics([])).rejects.toMatchObject({ code: 'TRANSPORT_UNREACHABLE' })
  })

  test('closing twice, or before anything was asked, is fine', async () => {
    const inspector = (await create()).inspector()
    await inspector.close()
    await inspector.close()
  })
}
