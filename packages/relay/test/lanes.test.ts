import { fromPg } from '@oncebox/core/pg'
import { changeLanes, type Relay } from '@oncebox/relay'
import { until } from '@oncebox/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ParkedGroup } from '../dist/parkedGroups.js'
import { type Bench, bench } from './relayBench.js'
import { sideTrackOn } from './sideTrackBench.js'

const snapshot = fc
  .tuple(fc.integer({ min: 1, max: 20 }), fc.uniqueArray(fc.integer({ min: 1, max: 20 })))
  .map(([xmax, xids]) => {
    const running = xids.filter((xid) => xid < xmax).sort((a, b) => a - b)
    return `${running[0] ?? xmax}:${xmax}:${running.join(',')}`
  })

function visible(xid: number, text: string): boolean {
  const [, xmax, running] = text.split(':') as [string, string, string]
  return xid < Number(xmax) && !running.split(',').includes(String(xid))
}

test('what lanes have in common is what every one of them has seen', async () => {
  await using at = await bench()
  const triples = fc.sample(fc.tuple(snapshot, snapshot, snapshot), 200)
  const rows = await at.query<{ common: string }>(
    `select (select oncebox.common_snapshot(array_agg(one::pg_snapshot)) from jsonb_array_elements_text(snapshots) as one)::text as common
     from jsonb_array_elements($1::jsonb) with ordinality as each (snapshots, place) order by place`,
    [JSON.stringify(triples)],
  )
  for (const [index, triple] of triples.entries()) {
    for (let xid = 1; xid <= 22; xid++) {
      expect(visible(xid, rows[index]?.common ?? ''), `${xid} in ${triple}`).toBe(
        triple.every((each) => visible(xid, each)),
      )
    }
  }
})

test('lanes that stand in one window go on in it from the lowest of their positions; others leave their windows', async () => {
  await using at = await bench()
  const stand = async (positions: readonly (string | null)[], lasts: readonly string[]) => {
    await at.query('delete from oncebox.relay_cursor')
    for (const [lane, position] of positions.entries()) {
      await at.query(
        `insert into oncebox.relay_cursor (lane, last_snapshot, upper_snapshot, page_position) values ($1, $2, $3, $4)`,
        [lane, lasts[lane], position === null ? null : '9:9:', position],
      )
    }
    const { exact } = await share(at, 1)
    const [lane] = await at.query<{ last: string; position: string | null }>(
      `select last_snapshot::text as last, page_position::text as position from oncebox.relay_cursor`,
    )
    return { ...lane, exact }
  }
  expect(await stand(['90', '100'], ['5:5:', '5:5:'])).toEqual({ last: '5:5:', position: '90', exact: false })
  expect(await stand([null, null], ['5:5:', '5:5:'])).toEqual({ last: '5:5:', position: null, exact: true })
  expect(await stand(['90', null], ['5:5:', '5:5:'])).toEqual({ last: '5:5:', position: null, exact: false })
  expect(await stand(['90', null], ['5:5:', '7:7:'])).toEqual({ last: '5:5:', position: null, exact: false })
})

async function share(at: Bench, lanes: number): Promise<Awaited<ReturnType<typeof changeLanes>>> {
  const client = await at.open()
  await client.query('begin')
  const changed = await changeLanes(fromPg(client), lanes)
  await client.query('commit')
  return changed
}

const lanesOf = (at: Bench) => at.query<{ lane: number }>('select lane from oncebox.relay_cursor order by lane')

/** Values of a key in the order of their first delivery. */
function firstsOf(at: Bench, topic: string, key: string): number[] {
  const values = at.transport
    .records(topic)
    .filter((record) => `${Buffer.from(record.key ?? [])}` === key)
    .map((record) => Number(Buffer.from(record.value ?? [])))
  return [...new Set(values)]
}

describe('the number of lanes', () => {
  test('changes while everything stands still, and nothing is published twice', async () => {
    await using at = await bench()
    await at.fill('t', 100)
    expect(await at.relay().drain()).toEqual({ published: 100, parked: 0 })
    expect(await share(at, 3)).toEqual({ before: 1, lanes: 3, exact: true })
    await at.fill('t', 100)
    const published = []
    for (const lane of [0, 1, 2]) published.push((await at.relay({ lane }).drain()).published)
    expect(published.reduce((sum, each) => sum + each)).toBe(100)
    expect(await share(at, 1)).toMatchObject({ before: 3, lanes: 1 })
    expect(await lanesOf(at)).toEqual([{ lane: 0 }])
    expect(at.transport.records('t').length).toBe(200)
  })

  test('G1: begins where the slowest lane stood, whichever that was', async () => {
    for (const ahead of [0, 1]) {
      await using at = await bench()
      await share(at, 2)
      await at.fill('t', 100)
      expect((await at.relay({ lane: ahead }).drain()).published).toBeLessThan(100)
      expect(await share(at, 1)).toMatchObject({ exact: false })
      await at.relay().drain()
      expect(new Set(at.values('t')).size).toBe(100)
    }
  })

  test('is refused where it makes no sense', async () => {
    await using at = await bench()
    for (const lanes of [0, -1, 1.5, 65, Number.NaN]) {
      await expect(share(at, lanes)).rejects.toMatchObject({ code: 'INVALID_SETTING' })
    }
  })

  test('takes what was moved aside along to the lane of its key', async () => {
    await using at = await bench()
    at.transport.refuse((record) => (record.topic === 'bad' ? 'RECORD_TOO_LARGE' : null))
    for (const key of ['a', 'b', 'c', 'd']) for (const value of ['1', '2']) await at.emit('bad', key, value)
    expect(await at.relay().drain()).toEqual({ published: 0, parked: 8 })
    await share(at, 2)
    at.transport.refuse(null)
    const relays = [at.relay({ lane: 0 }), at.relay({ lane: 1 })]
    for (const relay of relays) await relay.start()
    await until(() => at.values('bad').length === 8, { what: 'the messages that were moved aside', deadlineMs: 20_000 })
    for (const key of ['a', 'b', 'c', 'd']) expect(firstsOf(at, 'bad', key)).toEqual([1, 2])
  })

  test('G4: a relay whose lane is no more does not take what was moved to another lane for sent', async () => {
    await using at = await bench()
    await share(at, 2)
    at.transport.refuse(() => 'RECORD_TOO_LARGE')
    for (const lane of [0, 1]) {
      for (const key of ['a', 'b', 'c', 'd']) await at.emit('t', key, '1')
      await at.relay({ lane }).drain()
    }
    at.transport.refuse(null)
    await using old = await sideTrackOn(at, 1)
    await old.sideTrack.load(old.session)
    const groups = old.sideTrack.groups.size
    expect(groups).toBeGreaterThan(0)
    await using late = await sideTrackOn(at, 0)
    await share(at, 1)
    const group = old.sideTrack.groups.due(Number.POSITIVE_INFINITY) as ParkedGroup
    await expect(old.sideTrack.release(group)).rejects.toMatchObject({ code: 'LEASE_LOST' })
    // As long as it waits, later messages of its keys do.
    expect(old.sideTrack.groups.size).toBe(groups)
    // Nor does one that had taken its lane, and not looked yet what waits there.
    await expect(late.sideTrack.load(late.session)).rejects.toMatchObject({ code: 'LEASE_LOST' })
    expect(at.values('t')).toEqual([])
  })

  test('G1: a relay that runs on takes over what was of lanes that are no more', async () => {
    await using at = await bench()
    await share(at, 2)
    await at.relay({ lane: 0 }).start()
    await share(at, 1)
    for (const key of ['a', 'b', 'c', 'd', 'e']) await at.emit('t', key, key)
    await until(() => new Set(at.values('t')).size === 5, { what: 'the keys of both lanes', deadlineMs: 20_000 })
  })

  test('G1 and G4: grows and shrinks under load, relays follow by themselves, first deliveries keep their order', async () => {
    await using at = await bench()
    const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    const relays: Relay[] = []
    const serve = async (lane: number) => {
      const relay = at.relay({ lane, batchMessages: 7 })
      relays.push(relay)
      await relay.start()
    }
    await serve(0)
    let number = 0
    for (const lanes of [3, 2, 4, 1]) {
      for (let round = 0; round < 10; round++) {
        number++
        for (const key of keys) await at.emit('t', key, String(number))
        if (round === 5) {
          const { before } = await share(at, lanes)
          for (let lane = before; lane < lanes; lane++) if (relays[lane] === undefined) await serve(lane)
        }
      }
    }
    const all = Array.from({ length: number }, (_, index) => index + 1)
    await until(() => keys.every((key) => firstsOf(at, 't', key).length === number), {
      what: 'every message to be published',
      deadlineMs: 30_000,
    })
    for (const key of keys) expect(firstsOf(at, 't', key)).toEqual(all)
    expect(at.events.some(({ event }) => event === 'lease_lost')).toBe(true)
  })
})
