import { tables } from '@oncebox/schema'
import { until } from '@oncebox/testkit'
import { postgresVersions } from '@oncebox/testkit/harness'
import type { OutgoingRecord, Publisher } from '@oncebox/transport'
import { memoryTransport } from '@oncebox/transport/memory'
import { describe, expect, test } from 'vitest'
import type { Entry } from '../dist/entry.js'
import type { ParkedGroup } from '../dist/parkedGroups.js'
import { PollingSource } from '../dist/pollingSource.js'
import { bench, published } from './relayBench.js'
import { sideTrackOn } from './sideTrackBench.js'

const keyIs = (name: string) => (record: OutgoingRecord) => Buffer.from(record.key ?? []).toString() === name

describe.each(postgresVersions)('messages that cannot be sent, on Postgres %i', (version) => {
  test('G4: an oversize message stops its own key only, which waits in order and flows again when the cause is gone', async () => {
    await using at = await bench({ version })
    at.transport.refuse((record) => (Buffer.from(record.value ?? []).toString() === 'big' ? 'RECORD_TOO_LARGE' : null))
    await at.relay().start()
    await at.emit('t', 'a', 'a1')
    await at.emit('t', 'a', 'big')
    await at.emit('t', 'a', 'a2')
    await at.emit('t', 'b', 'b1')
    await until(() => at.values('t').includes('b1'), { what: 'the other key' })
    await at.emit('t', 'a', 'a3')
    await at.emit('t', 'b', 'b2')
    await until(() => at.values('t').includes('b2'), { what: 'the other key' })
    const parked = () =>
      at.query(`select convert_from(payload, 'UTF8') as value, reason from oncebox.parked order by number`)
    await until(async () => (await parked()).length === 3, { what: 'the key to be moved aside' })
    expect(await parked()).toEqual([
      { value: 'big', reason: 'RECORD_TOO_LARGE' },
      { value: 'a2', reason: 'RECORD_TOO_LARGE' },
      { value: 'a3', reason: 'RECORD_TOO_LARGE' },
    ])
    expect(at.values('t')).toEqual(['a1', 'b1', 'b2'])
    at.transport.refuse(null)
    await published(at, 't', ['a1', 'b1', 'b2', 'big', 'a2', 'a3'])
    await until(async () => (await parked()).length === 0, { what: 'the side track to be empty' })
    await at.emit('t', 'a', 'a4')
    await published(at, 't', ['a1', 'b1', 'b2', 'big', 'a2', 'a3', 'a4'])
  })

  test('G1: what was moved aside is found by the next relay, and its key still waits behind it', async () => {
    await using at = await bench({ version })
    at.transport.refuse((record) => (keyIs('a')(record) ? 'RECORD_REFUSED' : null))
    await at.emit('t', 'a', 'a1')
    await at.emit('t', null, 'free')
    expect(await at.relay().drain()).toEqual({ published: 1, parked: 1 })
    at.transport.refuse(null)
    await at.emit('t', 'a', 'a2')
    await at.relay().start()
    await published(at, 't', ['free', 'a1', 'a2'])
  })

  test('messages without a key are moved aside one by one', async () => {
    await using at = await bench({ version })
    at.transport.refuse((record) => (Buffer.from(record.value ?? []).toString() === 'bad' ? 'RECORD_REFUSED' : null))
    for (const value of ['1', 'bad', '2']) await at.emit('t', null, value)
    expect(await at.relay().drain()).toEqual({ published: 2, parked: 1 })
    expect(at.values('t').sort()).toEqual(['1', '2'])
    await at.emit('t', null, '3')
    const relay = at.relay()
    await relay.start()
    await until(() => at.values('t').includes('3'), { what: 'the next message' })
    at.transport.refuse(null)
    await until(() => at.values('t').includes('bad'), { what: 'the refused message' })
    expect(at.values('t').length).toBe(4)
  })

  test('G4: a missing topic holds that topic alone, and heals by itself, in order', async () => {
    await using at = await bench({ version, transport: memoryTransport({ missingTopics: 'refuse' }) })
    at.transport.createTopic('there')
    await at.relay({ topicRetryMs: 100 }).start()
    await at.emit('missing', 'k', 'm1')
    await at.emit('there', 'k', 't1')
    await published(at, 'there', ['t1'])
    await at.emit('missing', 'k', 'm2')
    await at.emit('missing', null, 'free')
    await at.emit('there', 'k', 't2')
    await published(at, 'there', ['t1', 't2'])
    await until(() => at.events.some(({ event }) => event === 'topic_missing'), { what: 'the event' })
    at.transport.createTopic('missing')
    await published(at, 'missing', ['m1', 'm2', 'free'])
    await at.emit('missing', 'k', 'm3')
    await published(at, 'missing', ['m1', 'm2', 'free', 'm3'])
    expect(await at.query('select from oncebox.parked')).toEqual([])
  })

  test('a topic that heals keeps the one key back that is refused for a reason of its own', async () => {
    await using at = await bench({ version, transport: memoryTransport({ missingTopics: 'refuse' }) })
    for (const [key, value] of [
      ['a', 'a1'],
      ['b', 'b1'],
      ['a', 'a2'],
      ['b', 'b2'],
    ] as const)
      await at.emit('t', key, value)
    await at.relay({ topicRetryMs: 100, batchMessages: 2 }).start()
    await until(async () => (await at.query('select from oncebox.parked')).length === 4, {
      what: 'four to be moved aside',
    })
    at.transport.refuse((record) => (keyIs('a')(record) ? 'RECORD_TOO_LARGE' : null))
    at.transport.createTopic('t')
    await published(at, 't', ['b1', 'b2'])
    await at.emit('t', 'b', 'b3')
    await published(at, 't', ['b1', 'b2', 'b3'])
    await at.emit('t', 'a', 'a3')
    at.transport.refuse(null)
    await published(at, 't', ['b1', 'b2', 'b3', 'a1', 'a2', 'a3'])
  })

  test('topics are created where that is asked for, and partitions stay pinned when a topic grows', async () => {
    await using at = await bench({ version, transport: memoryTransport({ missingTopics: 'refuse' }) })
    await at.emit('t', 'k', '1')
    expect(await at.relay({ createTopics: 5 }).drain()).toEqual({ published: 1, parked: 0 })
    expect(await at.query('select topic, partitions from oncebox.pinned_topic')).toEqual([
      { topic: 't', partitions: 5 },
    ])
    const before = at.transport.records('t')[0]?.partition
    const grown = at.transport.publisher()
    grown.partitions = async () => 64
    await at.emit('t', 'k', '2')
    await at.relay({ publisher: grown }).drain()
    expect(at.transport.records('t').map((record) => record.partition)).toEqual([before, before])
  })
})

describe('messages that join the side track', () => {
  test('do not hold up the others while they are copied', async () => {
    await using at = await bench()
    at.transport.refuse((record) => (keyIs('a')(record) ? 'RECORD_REFUSED' : null))
    await at.relay().start()
    await at.emit('t', 'a', 'a1')
    await until(async () => (await at.query('select from oncebox.parked')).length === 1, { what: 'a1 to be aside' })
    const other = await at.open()
    await other.query('begin')
    await other.query('lock table oncebox.parked in share mode')
    await at.emit('t', 'a', 'a2')
    await at.emit('t', 'b', 'b1')
    await until(() => at.values('t').includes('b1'), { what: 'another key' })
    await other.query('commit')
    at.transport.refuse(null)
    await until(() => at.values('t').includes('a2'), { what: 'a2' })
    expect([...new Set(at.values('t'))]).toEqual(['b1', 'a1', 'a2'])
  })

  test('G4: are not overtaken when the cause is gone while they are on their way', async () => {
    await using at = await bench()
    await using side = await sideTrackOn(at)
    const { session, progress, queue, sideTrack } = side
    for (const value of ['a1', 'a2']) await at.emit('t', 'a', value)
    const share = { lane: 0, lanes: 1 }
    const source = new PollingSource({ session, tables: tables(), share, progress, pageRows: 10, pageBytes: 10_000 })
    const [first, second] = (await source.read()).entries as [Entry, Entry]
    sideTrack.open(first, 'RECORD_REFUSED')
    sideTrack.add([first], 'RECORD_REFUSED')
    await queue.flush()
    // Nothing copies it until somebody asks for that.
    sideTrack.add([second], 'RECORD_REFUSED')
    expect(sideTrack.settled).toBe(false)
    await sideTrack.release(sideTrack.groups.due(Number.POSITIVE_INFINITY) as ParkedGroup)
    expect(at.values('t')).toEqual(['a1', 'a2'])
    expect([sideTrack.settled, sideTrack.groups.size]).toEqual([true, 0])
  })
})

describe('publishes that are not acknowledged', () => {
  test('G4: are sent again, in order, whether they were written or not', async () => {
    await using at = await bench()
    await at.relay().start()
    at.transport.failNextPublish('notSent')
    await at.emit('t', 'k', '1')
    await at.emit('t', 'k', '2')
    await published(at, 't', ['1', '2'])
    at.transport.failNextPublish('ackLost')
    await at.emit('t', 'k', '3')
    await published(at, 't', ['1', '2', '3', '3'])
    await at.emit('t', 'k', '4')
    await published(at, 't', ['1', '2', '3', '3', '4'])
  })

  test('G4: later messages of a key wait behind the one that is tried again, while other keys go on', async () => {
    await using at = await bench()
    const inner = at.transport.publisher()
    let refusals = 0
    const publisher: Publisher = {
      name: 'failing for one message',
      connect: () => inner.connect(),
      partitions: (topic) => inner.partitions(topic),
      createTopic: (topic, partitions) => inner.createTopic(topic, partitions),
      close: () => inner.close(),
      async publish(records) {
        const isFirst = (record: OutgoingRecord) => Buffer.from(record.value ?? []).toString() === 's1'
        if (refusals >= 6 || !records.some(isFirst)) return inner.publish(records)
        refusals++
        const others = records.filter((record) => !keyIs('s')(record))
        const sent = await inner.publish(others)
        return records.map((record) => {
          if (!keyIs('s')(record)) return sent.shift() as (typeof sent)[number]
          return isFirst(record)
            ? { status: 'failed', code: 'TRANSPORT_FAILED', reason: 'no acknowledgement' }
            : { status: 'held' }
        })
      },
    }
    await at.relay({ publisher }).start()
    await at.emit('t', 'free', 'f0')
    await published(at, 't', ['f0'])
    await at.query(`select oncebox.emit('t', key, 'x', key || 1) from unnest(array['s', 'free']) as key`)
    await until(() => refusals > 0, { what: 'the first failure' })
    await at.emit('t', 's', 's2')
    // Others are acked all the time, so that only the one key waits for its next try.
    let others = 0
    await until(
      async () => {
        await at.emit('t', 'free', `f${others++}`)
        return at.values('t').includes('s2')
      },
      { what: 'the key to get through' },
    )
    expect(refusals).toBe(6)
    expect(at.values('t').filter((value) => value.startsWith('s'))).toEqual(['s1', 's2'])
    expect(await at.query('select from oncebox.parked')).toEqual([])
  })

  test('G1: a transport that goes away and comes back loses nothing, and nothing is moved aside meanwhile', async () => {
    await using at = await bench()
    const relay = at.relay({ parkAfterMs: 0, batchBytes: 20_000 })
    await relay.start()
    await at.emit('t', 'k', '0')
    await published(at, 't', ['0'])
    at.transport.disconnect()
    await at.fill('t', 200)
    await until(() => at.events.filter(({ event }) => event === 'publish_failed').length >= 3, {
      what: 'three failures',
    })
    expect(await at.query('select from oncebox.parked')).toEqual([])
    at.transport.reconnect()
    await relay.drain()
    expect(new Set(at.values('t')).size).toBe(201)
  })

  test('G4: a key that keeps failing while others get through is moved aside, and comes back in order', async () => {
    await using at = await bench()
    const inner = at.transport.publisher()
    let failing = true
    const publisher: Publisher = {
      name: 'partly failing',
      connect: () => inner.connect(),
      partitions: (topic) => inner.partitions(topic),
      createTopic: (topic, partitions) => inner.createTopic(topic, partitions),
      close: () => inner.close(),
      async publish(records) {
        const stuck = (record: OutgoingRecord) => failing && keyIs('stuck')(record)
        const sent = await inner.publish(records.filter((record) => !stuck(record)))
        let first = true
        return records.map((record) => {
          if (!stuck(record)) return sent.shift() as (typeof sent)[number]
          const outcome = { status: 'failed', code: 'TRANSPORT_FAILED', reason: 'a partition is away' } as const
          const answer = first ? outcome : ({ status: 'held' } as const)
          first = false
          return answer
        })
      },
    }
    await at.emit('t', 'stuck', 's1')
    await at.emit('t', 'stuck', 's2')
    await at.relay({ publisher, parkAfterMs: 50 }).start()
    let others = 0
    await until(
      async () => {
        await at.emit('t', 'free', `f${others++}`)
        return at.events.some(({ event }) => event === 'parked')
      },
      { what: 'the stuck key to be moved aside' },
    )
    await at.emit('t', 'stuck', 's3')
    await until(async () => (await at.query('select from oncebox.parked')).length === 3, {
      what: 'three to be moved aside',
    })
    failing = false
    const stuck = () => at.values('t').filter((value) => value.startsWith('s'))
    await until(() => stuck().length === 3, { what: 'the stuck key' })
    expect(stuck()).toEqual(['s1', 's2', 's3'])
    await until(() => at.values('t').length === others + 3, { what: 'all others' })
  })
})
