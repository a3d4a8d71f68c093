import { type Clock, isUuidV7, localIds, type Tx, uuidV7Time } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import { segmentIds, uuidV7, withFallback } from '@oncebox/guards'
import { createOutbox } from '@oncebox/outbox'
import { defaultRoles, migrate } from '@oncebox/schema'
import { fastSettings, spawnNode, startPostgres, until } from '@oncebox/testkit'
import { postgresVersions, testDatabase } from '@oncebox/testkit/harness'
import fc from 'fast-check'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { segmentId } from '../dist/segmentLayout.js'
import { all, asConsumer, migratedDatabase, refusalOf, stateOf } from './kit.js'

const inLayout = {
  ms: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  segment: fc.integer({ min: 1, max: 2 ** 44 - 1 }),
  index: fc.integer({ min: 0, max: 4_095 }),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
}

/** What is left of an id when time and random bits are taken away. */
function placeOf(id: string): { segment: number; index: number } {
  const bits = BigInt(`0x${id.replaceAll('-', '')}`)
  const random74 = (((bits >> 64n) & 0xfffn) << 62n) | (bits & ((1n << 62n) - 1n))
  return { segment: Number(random74 >> 30n), index: Number((random74 >> 18n) & 0xfffn) }
}

describe('the layout', () => {
  test('is a UUIDv7 that carries the time, and holds segment and index whole', () => {
    fc.assert(
      fc.property(inLayout.ms, inLayout.segment, inLayout.index, inLayout.random, (ms, segment, index, random) => {
        const id = segmentId(ms, segment, index, random)
        expect(isUuidV7(id)).toBe(true)
        expect(uuidV7Time(id)).toBe(ms)
        expect(placeOf(id)).toEqual({ segment, index })
      }),
    )
  })

  test('sorts by time, then segment, then index, whatever the random bits', () => {
    const place = fc.tuple(inLayout.ms, inLayout.segment, inLayout.index)
    fc.assert(
      fc.property(place, place, inLayout.random, inLayout.random, (a, b, first, second) => {
        const order = a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
        fc.pre(order !== 0)
        expect(segmentId(...a, first) < segmentId(...b, second)).toBe(order < 0)
      }),
    )
  })
})

/** An id service in memory, which the test answers by hand. */
function serviceByHand() {
  const asked: { count: number; answer(segments: number[]): void; fail(error: Error): void }[] = []
  const db: Tx = {
    query: (_text, values) =>
      new Promise((resolve, reject) => {
        asked.push({
          count: Number(values?.[1]),
          answer: (segments) => resolve({ rows: segments.map((segment) => ({ segment: String(segment) })) as never[] }),
          fail: reject,
        })
      }),
  }
  return { db, asked }
}

/** Time that stands still until the test moves it; sleepers wake up when it has passed. */
function clockByHand() {
  const sleepers: { at: number; wake(): void }[] = []
  const clock: Clock & { advance(ms: number): void } = {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        sleepers.push({ at: now + ms, wake: resolve })
        signal?.addEventListener('abort', () => resolve())
      }),
    advance(ms) {
      now += ms
      for (const sleeper of sleepers) if (sleeper.at <= now) sleeper.wake()
    },
  }
  let now = 1_700_000_000_000
  return clock
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('segmentIds', () => {
  test('fetches ahead, beside the calls that use ids up, and only when there is need', async () => {
    const { db, asked } = serviceByHand()
    const ids = segmentIds({ db, segmentSize: 10, clock: clockByHand() })
    const ready = ids.ready()
    expect(asked.map(({ count }) => count)).toEqual([3])
    asked[0]?.answer([5, 6, 9])
    await ready
    expect(ids.available).toBe(30)
    for (let call = 0; call < 10; call++) ids.next()
    expect(asked).toHaveLength(1)
    ids.next()
    expect(asked.map(({ count }) => count)).toEqual([3, 1])
    ids.next()
    expect(asked).toHaveLength(2)
  })

  test('throws at once when nothing is there, and works again when the answer has come', async () => {
    const { db, asked } = serviceByHand()
    const ids = segmentIds({ db, segmentSize: 2, clock: clockByHand() })
    expect(() => ids.next()).toThrow(expect.objectContaining({ code: 'IDS_EXHAUSTED', retryable: true }))
    asked[0]?.answer([1])
    await settled()
    expect(isUuidV7(ids.next())).toBe(true)
  })

  test('after a failure the service is left alone for a while; the failure is the cause', async () => {
    const { db, asked } = serviceByHand()
    const clock = clockByHand()
    const ids = segmentIds({ db, clock, retryMs: 250 })
    const failure = new Error('gone')
    const ready = refusalOf(ids.ready())
    asked[0]?.fail(failure)
    expect(await ready).toMatchObject({ code: 'IDS_EXHAUSTED', cause: failure })
    for (let call = 0; call < 100; call++) expect(() => ids.next()).toThrow()
    expect(asked).toHaveLength(1)
    clock.advance(250)
    expect(() => ids.next()).toThrow(expect.objectContaining({ cause: failure }))
    expect(asked).toHaveLength(2)
  })

  test('a service that does not answer counts as failed; what it answers late is used if ids still rise', async () => {
    const { db, asked } = serviceByHand()
    const clock = clockByHand()
    const ids = segmentIds({ db, clock, timeoutMs: 5_000, segmentSize: 1, ahead: 1 })
    const ready = refusalOf(ids.ready())
    clock.advance(5_000)
    expect((await ready).code).toBe('IDS_EXHAUSTED')
    clock.advance(250)
    expect(() => ids.next()).toThrow()
    asked[1]?.answer([20, 21])
    await settled()
    const first = ids.next()
    asked[0]?.answer([3, 22])
    await settled()
    expect([first, ids.next(), ids.next()].map((id) => placeOf(id).segment)).toEqual([20, 21, 22])
  })

  test('ids rise when the clock steps back, and carry the time they are given', async () => {
    const { db, asked } = serviceByHand()
    const clock = clockByHand()
    const ids = segmentIds({ db, clock, segmentSize: 100 })
    const ready = ids.ready()
    asked[0]?.answer([1, 2, 3])
    await ready
    const made = Array.from({ length: 20 }, (_, index) => {
      if (index === 10) clock.advance(-3_600_000)
      return ids.next()
    })
    expect(made).toEqual([...made].sort())
    const due = Date.UTC(2027, 0, 1)
    expect(uuidV7Time(ids.next(due))).toBe(due)
    expect(ids.next() > (made.at(-1) as string)).toBe(true)
  })

  test.each([{ segmentSize: 4_097 }, { segmentSize: 0 }, { ahead: 0 }, { timeoutMs: 1.5 }, { schema: 'pg_x' }])(
    '%o is refused',
    (options) => {
      expect(() => segmentIds({ db: localDb, ...options })).toThrow(
        expect.objectContaining({ code: 'INVALID_SETTING' }),
      )
    },
  )
  const localDb: Tx = { query: () => expect.unreachable() }

  test('uuidV7 is the local source', () => expect(uuidV7()).toBe(localIds))
})

describe.each(postgresVersions)('the id service on Postgres %i', (version) => {
  test("four processes at once: no id twice, and each process's own rise", async () => {
    await using database = await migratedDatabase(version)
    const script = new URL('segmentIdsProcess.mjs', import.meta.url).pathname
    const workers = Array.from({ length: 4 }, () =>
      spawnNode(script, [database.urlAs(defaultRoles().consumer), '10000']),
    )
    const outputs = await Promise.all(
      workers.map(async (worker) => {
        const end = await worker.ended
        expect({ ...end, stderr: worker.stderr }).toEqual({ exitCode: 0, signal: null, stderr: '' })
        return worker.lines
      }),
    )
    const ids = outputs.flat()
    expect(ids).toHaveLength(40_000)
    expect(new Set(ids).size).toBe(40_000)
    const places = ids.map(placeOf).map(({ segment, index }) => segment * 4_096 + index)
    expect(new Set(places).size).toBe(40_000)
    for (const lines of outputs) expect(lines.join()).toBe([...lines].sort().join())
    const [service] = await all(database, 'select last_value::int as segments from oncebox.id_segment')
    expect(service?.segments).toBeLessThan(4 * (10 + 3) + 1)
  })

  test('a transaction that is rolled back gives no segment back, one that stays open makes nobody wait', async () => {
    await using database = await migratedDatabase(version)
    const client = await database.pool.connect()
    await client.query('begin')
    const inside = segmentIds({ db: fromPg(client), ahead: 1 })
    await inside.ready()
    const outside = segmentIds({ db: asConsumer(database) })
    await outside.ready()
    const first = inside.next()
    await client.query('rollback')
    client.release()
    const again = segmentIds({ db: asConsumer(database) })
    await again.ready()
    expect(new Set([first, outside.next(), again.next()].map((id) => placeOf(id).segment)).size).toBe(3)
  })
})

test('with the id service stopped producers go on at once, say so once, and return when it is back', async () => {
  const service = await startPostgres({ settings: fastSettings })
  const pool = new pg.Pool({ connectionString: service.url, connectionTimeoutMillis: 2_000 })
  pool.on('error', () => undefined)
  try {
    const client = await pool.connect()
    await migrate(fromPg(client))
    client.release()
    await using shop = await migratedDatabase()
    const primary = segmentIds({ db: pool, segmentSize: 10, retryMs: 1 })
    const events: string[] = []
    const ids = withFallback(primary, uuidV7(), { restMs: 20, onEvent: ({ type }) => events.push(type) })
    const outbox = createOutbox({ source: 'shop', ids })
    await primary.ready()
    const emit = () => outbox.emit(shop.pool, { topic: 't', type: 'x', data: 1 })
    await emit()
    expect(ids.counters).toMatchObject({ primaryIds: 1, fallbackIds: 0 })
    await service.stop()
    await until(async () => (await emit()) && ids.state !== 'closed', { what: 'the segments to run out' })
    for (let call = 0; call < 20; call++) await emit()
    expect(events).toEqual(['degraded'])
    await service.start()
    await until(async () => (await emit()) && ids.state === 'closed', { what: 'the id service to be used again' })
    expect(events).toEqual(['degraded', 'recovered'])
    const [rows] = await all(
      shop,
      'select count(*)::int as all, count(distinct id)::int as different from oncebox.outbox',
    )
    const { primaryIds, fallbackIds } = ids.counters
    expect(rows).toEqual({ all: primaryIds + fallbackIds, different: primaryIds + fallbackIds })
  } finally {
    await pool.end()
    await service.remove()
  }
})

test('a schema of another, hostile name works', async () => {
  const schema = `we"ird'; -- $1`
  await using database = await migratedDatabase(18, schema)
  const ids = segmentIds({ db: asConsumer(database, schema), schema })
  await ids.ready()
  expect(isUuidV7(ids.next())).toBe(true)
})

test('a database that was not migrated is a failure like any other', async () => {
  await using database = await testDatabase()
  const ids = segmentIds({ db: database.pool })
  const refusal = await refusalOf(ids.ready())
  expect(await stateOf(Promise.reject(refusal.cause))).toBe('3F000')
})
