import { partitionOf } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import { changeLanes, type RelayOptions } from '@oncebox/relay'
import { until } from '@oncebox/testkit'
import { postgresVersions } from '@oncebox/testkit/harness'
import { memoryTransport } from '@oncebox/transport/memory'
import { describe, expect, test } from 'vitest'
import { type Bench, bench, published } from './relayBench.js'

const keys = Array.from({ length: 12 }, (_, index) => `k${index}`)
/** Keys that move when a topic grows from three partitions to six. */
const moving = keys.filter((key) => partition(key, 3) !== partition(key, 6))

function partition(key: string, partitions: number): number {
  return partitionOf(Buffer.from(key), partitions)
}

/** A topic `t` that looks to relays as if it had three partitions, until `grow`; it has six. */
async function growing(version?: TestedVersion) {
  const at = await bench({
    ...(version === undefined ? {} : { version }),
    transport: memoryTransport({ partitions: 6 }),
  })
  let seen = 3
  const relayOf = (options: Partial<RelayOptions> = {}) => {
    const publisher = at.transport.publisher()
    publisher.partitions = async () => seen
    return at.relay({ publisher, pauseLookMs: 20, batchMessages: 20, ...options })
  }
  const grow = () => {
    seen = 6
  }
  return { at, relayOf, grow }
}
type TestedVersion = (typeof postgresVersions)[number]

const pause = (at: Bench) => at.query(`insert into oncebox.pause (topic, paused_by) values ('t', 'ann')`)
const resume = (at: Bench) =>
  at.query(`update oncebox.pause set resumed_at = clock_timestamp(), resumed_by = 'ann' where resumed_at is null`)
const repin = async (at: Bench, partitions: number) =>
  (await at.query(`select * from oncebox.repin_topic('t', $1::int, 'ann', 'it grew')`, [partitions]))[0]
const pinned = async (at: Bench) => (await at.query('select partitions from oncebox.pinned_topic'))[0]?.partitions
const partitionsOf = (at: Bench, key: string) =>
  at.transport.records('t').flatMap((record) => (`${Buffer.from(record.key ?? [])}` === key ? [record.partition] : []))
const events = (at: Bench, name: string) => at.events.filter(({ event }) => event === name).length

describe.each(postgresVersions)('a topic that has grown, on Postgres %i', (version) => {
  test('G4: is spread over all its partitions while relays of two lanes run under load, and keys keep their order', async () => {
    const { at, relayOf, grow } = await growing(version)
    await using _ = at
    const owner = await at.open()
    await owner.query('begin')
    await changeLanes(fromPg(owner), 2)
    await owner.query('commit')
    await relayOf({ lane: 0 }).start()
    await relayOf({ lane: 1 }).start()
    let written = 0
    const write = async (rounds: number) => {
      for (let round = 0; round < rounds; round++) {
        await at.query(
          `select oncebox.emit('t', 'k' || i % 12, 'x', ($1::int + i)::text) from generate_series(0, 35) as i`,
          [written],
        )
        written += 36
      }
    }
    await write(5)
    await until(async () => (await pinned(at)) === 3, { what: 'a relay to see three partitions' })
    grow()
    await Promise.all([pause(at), write(5)])
    await until(() => events(at, 'paused') === 2, { what: 'both lanes to pause' })
    await write(3)
    const before = at.transport.records('t').length
    const [changed] = await Promise.all([repin(at, 6), write(5)])
    expect(changed).toEqual({ before: 3, is_paused: true, held_back: false, changed: true })
    await until(() => events(at, 'lease_lost') === 2 && events(at, 'ready') === 4, {
      what: 'both relays to begin anew',
      deadlineMs: 20_000,
    })
    expect(at.transport.records('t')).toHaveLength(before)
    await Promise.all([resume(at), write(5)])
    // What a relay had sent and not written down when its lease ended is sent again, like after a kill.
    await until(() => new Set(at.values('t')).size === written, { what: 'all to arrive', deadlineMs: 20_000 })
    const records = at.transport.records('t')
    for (const [place, record] of records.entries()) {
      expect(record.partition).toBe(partition(`${Buffer.from(record.key ?? [])}`, place < before ? 3 : 6))
    }
    for (const key of keys) {
      const values = records.flatMap((record) =>
        `${Buffer.from(record.key ?? [])}` === key ? [Number(Buffer.from(record.value ?? []))] : [],
      )
      const first = [...new Set(values)]
      expect(first).toEqual([...first].sort((a, b) => a - b))
      expect(first).toHaveLength(written / 12)
    }
    expect(moving.length).toBeGreaterThan(2)
    expect(
      await at.query('select topic, partitions_before, partitions, repinned_by, repinned_why from oncebox.topic_repin'),
    ).toEqual([{ topic: 't', partitions_before: 3, partitions: 6, repinned_by: 'ann', repinned_why: 'it grew' }])
  })
})

describe('a topic that has grown', () => {
  const [key = ''] = moving

  test('G4: a relay that has not looked at the pause yet cannot go on with the old number', async () => {
    const { at, relayOf, grow } = await growing()
    await using _ = at
    const relay = relayOf({ pauseLookMs: 600_000 })
    await relay.start()
    await at.emit('t', key, '1')
    await published(at, 't', ['1'])
    const unwritten =
      'select from oncebox.outbox, oncebox.relay_cursor where not pg_visible_in_snapshot(xid, last_snapshot)'
    await until(async () => (await at.query(unwritten)).length === 0, { what: 'that to be written down' })
    grow()
    await pause(at)
    await repin(at, 6)
    // It sends this one still, cannot write that down, and begins anew: whoever holds the lane now finds the pause.
    await at.emit('t', key, '2')
    await until(() => events(at, 'lease_lost') === 1 && events(at, 'ready') === 2, { what: 'the relay to begin anew' })
    await at.emit('t', key, '3')
    await until(async () => (await at.query('select from oncebox.parked')).length === 2, { what: 'two to wait aside' })
    await relay.stop()
    await resume(at)
    await relayOf().drain()
    await published(at, 't', ['1', '2', '2', '3'])
    const [old, now] = [partition(key, 3), partition(key, 6)]
    expect(partitionsOf(at, key)).toEqual([old, old, now, now])
  })

  test('is refused while it is not paused, while a message of it waits for another reason, and when nobody has published to it', async () => {
    const { at, relayOf } = await growing()
    await using _ = at
    const nothing = { is_paused: false, held_back: false, changed: false }
    expect(await repin(at, 6)).toEqual({ ...nothing, before: null })
    await at.emit('t', key, '1')
    await relayOf().drain()
    expect(await repin(at, 6)).toEqual({ ...nothing, before: 3 })

    at.transport.refuse((record) => (`${Buffer.from(record.value ?? [])}` === 'big' ? 'RECORD_TOO_LARGE' : null))
    await at.emit('t', key, 'big')
    await relayOf().drain()
    await pause(at)
    await at.emit('t', key, '2')
    await relayOf().drain()
    expect(await repin(at, 6)).toEqual({ before: 3, is_paused: true, held_back: true, changed: false })

    at.transport.refuse(null)
    await resume(at)
    await relayOf().start()
    await published(at, 't', ['1', 'big', '2'])
    await pause(at)
    await until(async () => (await at.query('select from oncebox.parked')).length === 0, { what: 'nothing to wait' })
    expect(await repin(at, 3)).toEqual({ before: 3, is_paused: true, held_back: false, changed: false })
    expect(await pinned(at)).toBe(3)
    expect(await at.query('select from oncebox.topic_repin')).toEqual([])
    expect(await repin(at, 6)).toMatchObject({ changed: true })
    expect(await pinned(at)).toBe(6)
  })

  test('is pinned anew in READ COMMITTED only, and to a number of partitions', async () => {
    const { at } = await growing()
    await using _ = at
    await expect(repin(at, 0)).rejects.toMatchObject({ code: '22023' })
    const strict = await at.open()
    await strict.query('begin isolation level repeatable read')
    await expect(strict.query(`select oncebox.repin_topic('t', 6, 'ann', null)`)).rejects.toMatchObject({
      code: '25000',
    })
  })
})
