import { fromPg } from '@oncebox/core/pg'
import { changeLanes, type RelayOptions } from '@oncebox/relay'
import { until } from '@oncebox/testkit'
import { postgresVersions } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { pauseChanges } from '../dist/pauses.js'
import { type Bench, bench, published } from './relayBench.js'

const pauseTopic = (at: Bench, topic: string) =>
  at.query(`insert into oncebox.pause (topic, paused_by) values ($1, 'ann')`, [topic])
const pauseLane = (at: Bench) => at.query(`insert into oncebox.pause (lane, paused_by) values (0, 'ann')`)
const relayOf = (at: Bench, options: Partial<RelayOptions> = {}) => at.relay({ pauseLookMs: 20, ...options })
const resume = (at: Bench) =>
  at.query(`update oncebox.pause set resumed_at = clock_timestamp(), resumed_by = 'ann' where resumed_at is null`)
const happened = (at: Bench, event: string, topic: string | null) =>
  until(() => at.events.some((each) => each.event === event && 'topic' in each && each.topic === topic), {
    what: `${event} of ${topic}`,
  })
const parked = (at: Bench) =>
  at.query(`select topic, convert_from(payload, 'UTF8') as value, reason from oncebox.parked order by number`)
const cursor = async (at: Bench) =>
  (await at.query(`select last_snapshot::text as last from oncebox.relay_cursor`))[0]?.last

test('what begins to wait and what goes on is told apart', () => {
  const at = (...topics: string[]) => ({ lane: false, topics: new Set(topics) })
  expect(pauseChanges(at('a', 'b'), at('b', 'c'))).toEqual({ paused: ['c'], resumed: ['a'] })
})

describe.each(postgresVersions)('a paused topic, on Postgres %i', (version) => {
  test('G4: waits aside in order while others flow and the cursor moves on, and then goes on in order', async () => {
    await using at = await bench({ version })
    await relayOf(at).start()
    await at.emit('t', 'a', 'a1')
    await published(at, 't', ['a1'])
    await pauseTopic(at, 't')
    await happened(at, 'paused', 't')
    for (const value of ['a2', 'a3']) await at.emit('t', 'a', value)
    await at.emit('t', 'b', 'b1')
    const before = await cursor(at)
    await at.emit('other', 'a', 'o1')
    await published(at, 'other', ['o1'])
    await until(async () => (await parked(at)).length === 3, { what: 'three to wait aside' })
    expect(await parked(at)).toEqual(['a2', 'a3', 'b1'].map((value) => ({ topic: 't', value, reason: 'PAUSED' })))
    // Everything is settled: nothing of the ring is held for the topic.
    await until(async () => (await cursor(at)) !== before, { what: 'the cursor to move on' })
    expect(at.values('t')).toEqual(['a1'])
    await resume(at)
    await happened(at, 'resumed', 't')
    await published(at, 't', ['a1', 'a2', 'a3', 'b1'])
    await at.emit('t', 'a', 'a4')
    await published(at, 't', ['a1', 'a2', 'a3', 'b1', 'a4'])
    expect(await parked(at)).toEqual([])
  })

  test('G4: is found paused by the next relay, and resumed by one after that, with a key of its own reason kept back', async () => {
    await using at = await bench({ version })
    at.transport.refuse((record) => (Buffer.from(record.value ?? []).toString() === 'big' ? 'RECORD_TOO_LARGE' : null))
    await at.emit('t', 'a', 'big')
    expect(await relayOf(at).drain()).toEqual({ published: 0, parked: 1 })
    await pauseTopic(at, 't')
    await at.emit('t', 'a', 'a1')
    await at.emit('t', 'b', 'b1')
    expect(await relayOf(at).drain()).toEqual({ published: 0, parked: 2 })
    // The cause of the first one's refusal goes while the topic is paused: it waits all the same.
    await resume(at)
    await relayOf(at).start()
    await published(at, 't', ['b1'])
    await at.emit('t', 'a', 'a2')
    at.transport.refuse(null)
    await published(at, 't', ['b1', 'big', 'a1', 'a2'])
  })
})

describe('a paused topic', () => {
  test('G4: keeps its order through pauses and resumptions at any moment, under load', async () => {
    await using at = await bench()
    await relayOf(at, { batchMessages: 20 }).start()
    let written = 0
    const rounds = async (count: number) => {
      for (let round = 0; round < count; round++) {
        await at.query(
          `select oncebox.emit(topic, 'k' || i % 3, 'x', ($1::int + i)::text) from unnest(array['t', 'free']) as topic, generate_series(1, 30) as i`,
          [written],
        )
        written += 30
      }
    }
    for (let turn = 0; turn < 3; turn++) {
      const seen = at.events.length
      await Promise.all([pauseTopic(at, 't'), rounds(5)])
      await until(() => at.events.slice(seen).some(({ event }) => event === 'paused'), { what: 'the pause' })
      await rounds(5)
      await Promise.all([resume(at), rounds(5)])
      await until(() => at.events.slice(seen).some(({ event }) => event === 'resumed'), { what: 'the resumption' })
    }
    for (const topic of ['t', 'free']) {
      await until(() => at.values(topic).length >= written, { what: `${topic} to arrive`, deadlineMs: 20_000 })
      for (const key of ['k0', 'k1', 'k2']) {
        const values = at.transport
          .records(topic)
          .filter((record) => `${Buffer.from(record.key ?? [])}` === key)
          .map((record) => Number(Buffer.from(record.value ?? [])))
        expect(values).toEqual([...values].sort((a, b) => a - b))
        expect(new Set(values).size).toBe(written / 3)
      }
    }
    await until(async () => (await parked(at)).length === 0, { what: 'nothing to wait aside' })
  })

  test('waits with what was failing before, and nothing of it is tried', async () => {
    await using at = await bench()
    await relayOf(at, { parkAfterMs: 600_000 }).start()
    at.transport.disconnect()
    await at.emit('t', 'k', '1')
    await until(() => at.events.some(({ event }) => event === 'publish_failed'), { what: 'a failure' })
    await pauseTopic(at, 't')
    await happened(at, 'paused', 't')
    await until(async () => (await parked(at)).length === 1, { what: 'the message to wait aside' })
    at.transport.reconnect()
    await at.emit('other', 'k', 'o')
    await published(at, 'other', ['o'])
    expect(at.values('t')).toEqual([])
    await resume(at)
    await published(at, 't', ['1'])
  })
})

describe('a paused topic that had been failing', () => {
  test('G1: goes on by itself, also when nothing else has been published since', async () => {
    await using at = await bench()
    await relayOf(at, { parkAfterMs: 600_000 }).start()
    at.transport.disconnect()
    await at.emit('t', 'k', '1')
    await until(() => at.events.some(({ event }) => event === 'publish_failed'), { what: 'a failure' })
    await pauseTopic(at, 't')
    await until(async () => (await parked(at)).length === 1, { what: 'the message to wait aside' })
    at.transport.reconnect()
    await resume(at)
    await published(at, 't', ['1'])
  })
})

describe('a paused lane', () => {
  test('G1: publishes nothing, keeps its lease, and goes on where it stood; a stop is not held up by it', async () => {
    await using at = await bench()
    const relay = relayOf(at)
    await relay.start()
    await pauseLane(at)
    await happened(at, 'paused', null)
    for (let n = 0; n < 5; n++) await at.emit('t', 'k', String(n))
    const holder = await at.query<{ epoch: string; held: boolean }>(
      `select epoch, expires_at > clock_timestamp() as held from oncebox.relay_cursor`,
    )
    expect(holder).toMatchObject([{ epoch: '1', held: true }])
    expect(at.values('t')).toEqual([])
    await relay.stop()
    await relayOf(at).start()
    await until(() => at.events.filter(({ event }) => event === 'paused').length === 2, {
      what: 'the next one to wait',
    })
    expect(at.values('t')).toEqual([])
    await resume(at)
    await published(at, 't', ['0', '1', '2', '3', '4'])
  })
})

test('a relay whose lane is removed ends, and says so; the others go on', async () => {
  await using at = await bench()
  const change = async (lanes: number) => {
    const client = await at.open()
    await client.query('begin')
    await changeLanes(fromPg(client), lanes)
    await client.query('commit')
  }
  await change(2)
  const [first, second] = [at.relay({ lane: 0 }), at.relay({ lane: 1 })]
  await Promise.all([first.start(), second.start()])
  await change(1)
  await at.fill('t', 100)
  await until(() => second.state === 'stopped', { what: 'the relay of the removed lane to end', deadlineMs: 20_000 })
  expect(at.events).toContainEqual({ event: 'lane_removed', lane: 1 })
  await until(() => new Set(at.values('t')).size === 100, { what: 'all keys to be published by the other' })
  await until(() => first.state === 'holder', { what: 'the other to hold its lane' })
  await expect(at.relay({ lane: 7 }).start()).rejects.toMatchObject({ code: 'LANE_MISSING' })
})
