import { encodeHeaders, type OutboxRow, partitionOf } from '@oncebox/core'
import { tables } from '@oncebox/schema'
import { postgresVersions } from '@oncebox/testkit/harness'
import type { RecordSink } from '@oncebox/transport'
import { describe, expect, test } from 'vitest'
import type { Entry } from '../dist/entry.js'
import { PollingSource } from '../dist/pollingSource.js'
import { Session } from '../dist/session.js'
import { windowSessionSettings } from '../dist/windowQuery.js'
import { type Bench, bench } from './relayBench.js'

const share = { lane: 0, lanes: 1 }
const everyByte = Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte))

/** Rows as pg's own parser reads them. */
function rowsByDriver(at: Bench): Promise<OutboxRow[]> {
  return at.query<OutboxRow & object>(
    `select position::text, id::text, source, topic, key, type, headers, payload, content_type as "contentType",
      to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "createdAt"
    from oncebox.outbox order by outbox.position`,
  )
}

async function entriesOf(at: Bench, limits: { pageRows: number; pageBytes: number }): Promise<Entry[][]> {
  const session = await Session.open(at.relayPool, { settings: windowSessionSettings, timeoutMs: 20_000 })
  const progress = { last: '3:3:', page: null }
  try {
    const source = new PollingSource({ session, tables: tables(), share, progress, ...limits })
    const pages: Entry[][] = []
    for (let done = false; !done; ) {
      const page = await source.read()
      pages.push([...page.entries])
      done = page.windowDone
    }
    return pages
  } finally {
    session.close()
  }
}

/** What a transport is given that writes records itself. */
function written(entry: Entry): {
  key: Buffer | null
  value: Buffer | null
  headers: [string, string][]
  count: number
} {
  const parts: (Buffer | null)[] = []
  const headers: [string, string][] = []
  let count = 0
  const sink: RecordSink = {
    part: (bytes, from, to) => parts.push(bytes === null ? null : Buffer.from(bytes.subarray(from, to))),
    headerCount: (number) => {
      count = number
    },
    constantHeaders: (constant) =>
      headers.push(...constant.map(([name, value]): [string, string] => [name, `${value}`])),
    header: (name, bytes, from, to) => headers.push([name, Buffer.from(bytes.subarray(from, to)).toString()]),
    textHeader: (name, value) => headers.push([name, value]),
  }
  entry.writeTo?.(sink)
  return { key: parts[0] ?? null, value: parts[1] ?? null, headers, count }
}

describe.each(postgresVersions)('rows on the wire of Postgres %i', (version) => {
  test('are sent with the key, value and headers that pg would have read', async () => {
    await using at = await bench({ version })
    const odd = ['', 'ä€𐍈', '\u0001', '"quoted"', 'x'.repeat(70_000)]
    for (const text of odd) {
      await at.query(
        `insert into oncebox.outbox (id, source, topic, key, type, content_type, headers, payload, created_at)
        values (gen_random_uuid(), $1, 't' || length($1), $1, $1, $1, jsonb_build_object($1, $1, 'n', 5, 'nothing', null),
          $2, '2026-11-22 19:33:00.000001+00')`,
        [text, everyByte],
      )
    }
    await at.query(
      `insert into oncebox.outbox (id, source, topic, type, created_at)
      values (gen_random_uuid(), 's', 't', 'x', '1969-12-31 23:59:59.999999+00'), (gen_random_uuid(), 's', 't', 'x', now())`,
    )
    const rows = await rowsByDriver(at)
    const entries = (await entriesOf(at, { pageRows: 100, pageBytes: 1 << 20 })).flat()
    expect(entries.length).toBe(odd.length + 2)
    entries.forEach((entry, index) => {
      const row = rows[index] as OutboxRow
      const key = row.key === null ? null : Buffer.from(row.key)
      expect(entry.position).toBe(Number(row.position))
      expect([entry.topic, entry.keyed, entry.key, entry.value]).toEqual([row.topic, key !== null, key, row.payload])
      expect(entry.headers).toEqual(encodeHeaders(row))
      const sent = written(entry)
      expect(sent).toEqual({ key, value: row.payload, headers: encodeHeaders(row), count: encodeHeaders(row).length })
      entry.assign(7)
      expect(entry.partition).toBe(key === null ? null : partitionOf(key, 7))
    })
  })

  test('are sent with the same headers whether those have to be parsed or not', async () => {
    await using at = await bench({ version })
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const headers = [
      { traceparent: trace },
      { traceparent: trace, own: 'x' },
      { traceparent: `${trace}0` },
      { traceparent: trace.slice(1) },
      // As JSON, of the same length.
      { traceparent: trace.slice(1).replace('-', '"') },
      { traceparent: `${trace.slice(1, -1)}\\` },
      { traceparent: trace.slice(2), x: '' },
      { traceparent: `${'ä'.repeat(2)}${trace.slice(4)}` },
      { traceparexx: trace },
    ]
    for (const each of headers) {
      await at.query(
        `insert into oncebox.outbox (id, source, topic, key, type, headers, payload)
        values (gen_random_uuid(), 's', 't', 'k', 'x', $1, 'payload')`,
        [each],
      )
    }
    const entries = (await entriesOf(at, { pageRows: 100, pageBytes: 1 << 20 })).flat()
    const sent = entries.map(written)
    expect(sent.map((each) => Object.fromEntries(each.headers.slice(5)))).toEqual(headers)
    expect(sent.map((each) => each.count)).toEqual(sent.map((each) => each.headers.length))
  })

  test('are read page by page within the limits, each once and in order, also when much larger ones come between', async () => {
    await using at = await bench({ version })
    await at.fill('t', 200)
    await at.fill('t', 40, 60_000)
    await at.fill('t', 200)
    const pages = await entriesOf(at, { pageRows: 150, pageBytes: 100_000 })
    const positions = pages.flat().map((entry) => entry.position)
    expect(positions).toEqual(Array.from({ length: 440 }, (_, index) => index + 1))
    for (const page of pages) {
      expect(page.length).toBeLessThanOrEqual(150)
      // The row that passes the limit is the last of its page.
      const allButLast = page.slice(0, -1).reduce((sum, entry) => sum + (entry.value?.length ?? 0), 0)
      expect(allButLast).toBeLessThan(100_000)
    }
  })

  test('tell the trace of a message that is sampled, wherever it stands among the headers, and of no other', async () => {
    await using at = await bench({ version })
    const trace = (flags: string) => `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`
    const sampled = [
      { traceparent: trace('01') },
      { traceparent: trace('0b'), tracestate: 'vendor=1' },
      { a: 'before it', traceparent: trace('ff'), 'much-longer-than-its-name': 'behind it' },
      { text: `{"traceparent": "${trace('00')}"}`, traceparent: trace('03') },
    ]
    const others = [
      { traceparent: trace('00') },
      { traceparent: trace('0a'), tracestate: 'vendor=1' },
      { traceparent: trace('01').slice(0, -1) },
      { traceparent: `${trace('01')}-more` },
      { traceparent: '' },
      { text: `{"traceparent": "${trace('01')}"}` },
      { xtraceparent: trace('01') },
      null,
    ]
    for (const headers of [...sampled, ...others]) {
      await at.query(
        `insert into oncebox.outbox (id, source, topic, key, type, headers, payload)
        values (gen_random_uuid(), 's', 't', 'k', 'x', $1, '-01"')`,
        [headers],
      )
    }
    const entries = (await entriesOf(at, { pageRows: 100, pageBytes: 1 << 20 })).flat()
    const expected = [...sampled.map(({ traceparent }) => traceparent), ...others.map(() => undefined)]
    expect(entries.map((entry) => entry.traceparent)).toEqual(expected)
    const states = entries.map((entry) => entry.tracestate)
    expect(states).toEqual(states.map((_, at) => (at === 1 ? 'vendor=1' : undefined)))
    for (const entry of entries) entry.detach()
    expect(entries.map((entry) => entry.traceparent)).toEqual(expected)
    expect(entries.map((entry) => entry.tracestate)).toEqual(states)
  })

  test('of which the headers are no object have none of their own, and none stops the others', async () => {
    await using at = await bench({ version })
    for (const json of ['null', '5', '"text"', '{"own": "x"}']) {
      await at.query(
        `insert into oncebox.outbox (id, source, topic, key, type, headers) values (gen_random_uuid(), 's', 't', 'k', 'x', $1)`,
        [json],
      )
    }
    const entries = (await entriesOf(at, { pageRows: 100, pageBytes: 1 << 20 })).flat()
    expect(entries.map((entry) => written(entry).headers.slice(5))).toEqual([[], [], [], [['own', 'x']]])
  })

  test('are the same once they have let go of the bytes that they were read among', async () => {
    await using at = await bench({ version })
    await at.fill('t', 50)
    const entries = (await entriesOf(at, { pageRows: 100, pageBytes: 1 << 20 })).flat()
    const before = entries.map(written)
    const readAmong = entries[0]?.value?.buffer
    for (const entry of entries) for (let twice = 0; twice < 2; twice++) entry.detach()
    expect(entries.map(written)).toEqual(before)
    for (const entry of entries) expect(entry.value?.buffer).not.toBe(readAmong)
  })

  test('of many types keep their own type, source and topic', async () => {
    await using at = await bench({ version })
    await at.query(
      `insert into oncebox.outbox (id, source, topic, type)
      select gen_random_uuid(), 's' || i % 3, 't' || i % 5, 'x' || i % 7 from generate_series(1, 500) as i`,
    )
    const rows = await rowsByDriver(at)
    const entries = (await entriesOf(at, { pageRows: 1_000, pageBytes: 1 << 20 })).flat()
    expect(entries.length).toBe(rows.length)
    expect(entries.map((entry) => JSON.stringify(entry.headers))).toEqual(
      rows.map((row) => JSON.stringify(encodeHeaders(row))),
    )
  })
})
