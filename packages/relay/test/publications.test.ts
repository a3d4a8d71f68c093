import { until } from '@oncebox/testkit'
import type { PublishOutcome } from '@oncebox/transport'
import { memoryTransport } from '@oncebox/transport/memory'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Publications } from '../dist/publications.js'
import { type Bench, bench, texts } from './relayBench.js'

const acked = (partition: number, offset: number | null): PublishOutcome => ({ status: 'acked', partition, offset })

test('runs of a partition grow while positions rise and offsets follow, and everything acked is in one', () => {
  const record = fc.record({
    topic: fc.constantFrom('t', 'u'),
    partition: fc.nat(2),
    status: fc.constantFrom('acked', 'acked', 'acked', 'failed'),
    skip: fc.nat(1),
  })
  fc.assert(
    fc.property(fc.array(fc.array(record, { maxLength: 20 }), { maxLength: 5 }), (calls) => {
      const publications = new Publications(3)
      const next = new Map<string, number>()
      const expected: string[] = []
      let position = 0
      for (const call of calls) {
        const entries = call.map(({ topic }) => ({ topic, position: ++position }))
        const outcomes = call.map(({ topic, partition, status, skip }, index): PublishOutcome => {
          if (status === 'failed') return { status: 'failed', code: 'TRANSPORT_FAILED', reason: '' }
          const place = `${topic} ${partition}`
          const offset = (next.get(place) ?? 0) + skip
          next.set(place, offset + 1)
          expected.push(`${place} ${offset} ${entries[index]?.position}`)
          return acked(partition, offset)
        })
        publications.add(entries, outcomes)
      }
      const batches = publications.take()
      const within = (told: string) => {
        const [topic, partition, offset, at] = told.split(' ') as [string, string, string, string]
        return batches.filter(
          (batch) =>
            batch.topic === topic &&
            batch.partition === Number(partition) &&
            Number(batch.baseOffset) <= Number(offset) &&
            Number(offset) < Number(batch.baseOffset) + batch.count &&
            Number(batch.firstPosition) <= Number(at) &&
            Number(at) <= Number(batch.lastPosition),
        ).length
      }
      expect(expected.map(within)).toEqual(expected.map(() => 1))
      expect(batches.reduce((sum, { count }) => sum + count, 0)).toBe(expected.length)
      expect(publications.empty).toBe(true)
    }),
  )
})

test('calls that follow each other on a partition become one run, also without offsets', () => {
  const publications = new Publications(0)
  publications.add(
    [
      { topic: 't', position: 1 },
      { topic: 't', position: 4 },
    ],
    [acked(0, 10), acked(0, 11)],
  )
  publications.add([{ topic: 't', position: 6 }], [acked(0, 12)])
  publications.add(
    [
      { topic: 'u', position: 7 },
      { topic: 'u', position: 9 },
    ],
    [acked(0, null), acked(0, null)],
  )
  expect(publications.take()).toEqual([
    { lane: 0, topic: 't', partition: 0, firstPosition: '1', lastPosition: '6', baseOffset: '10', count: 3 },
    { lane: 0, topic: 'u', partition: 0, firstPosition: '7', lastPosition: '9', baseOffset: null, count: 2 },
  ])
})

test('what a relay has published is written down, with the messages that were moved aside meanwhile', async () => {
  const transport = memoryTransport({ missingTopics: 'refuse' })
  await transport.publisher().createTopic('t', 3)
  await using at = await bench({ transport })
  await at.fill('t', 30)
  await at.emit('missing', 'k', 'aside')
  await at.emit('missing', 'k', 'behind it')
  const relay = at.relay({ topicRetryMs: 50 })
  await relay.start()
  await relay.drain()
  await transport.publisher().createTopic('missing', 1)
  await expect.poll(() => texts(transport, 'missing'), { timeout: 20_000 }).toEqual(['aside', 'behind it'])
  await relay.stop()
  const rows = await at.query<{
    topic: string
    partition: number
    first: string
    last: string
    base: string
    count: number
  }>(
    `select topic, partition, first_position as first, last_position as last, base_offset as base, count
    from oncebox.publication order by topic, partition, base_offset`,
  )
  const found: string[] = []
  for (const row of rows) {
    const records = transport.records(row.topic).filter(({ partition }) => partition === row.partition)
    const values = records
      .slice(Number(row.base), Number(row.base) + row.count)
      .map(({ value }) => `${Buffer.from(value ?? [])}`)
    const emitted = await at.query<{ value: string }>(
      `select convert_from(payload, 'UTF8') as value from oncebox.outbox
      where topic = $1 and position between $2 and $3 and convert_from(payload, 'UTF8') = any ($4) order by position`,
      [row.topic, row.first, row.last, values],
    )
    expect(emitted.map(({ value }) => value)).toEqual(values)
    found.push(...values)
  }
  expect(found.sort()).toEqual([...texts(transport, 't'), 'aside', 'behind it'].sort())
})

describe('the cursor', () => {
  /** Where writing publications down waits at a gate, and is refused from the `refusedFrom`th time on. */
  async function guardedBench(refusedFrom: number) {
    const at = await bench()
    await at.query('create sequence calls')
    await at.query('create table refused_from as select $1::int as call', [refusedFrom])
    await at.query(`create function guard() returns trigger language plpgsql security definer set search_path = public as $$
      declare call bigint := nextval('calls');
      begin
        perform pg_advisory_xact_lock_shared(4711);
        if call >= (select min(refused_from.call) from refused_from) then raise exception 'refused'; end if;
        return null;
      end $$`)
    await at.query('create trigger guard before insert on oncebox.publication execute function guard()')
    return at
  }
  /** Messages that the cursor has not passed. */
  const notPassed = async (at: Bench): Promise<string[]> => {
    const rows = await at.query<{ value: string }>(
      `select convert_from(payload, 'UTF8') as value from oncebox.outbox, oncebox.relay_cursor
      where not pg_visible_in_snapshot(xid, last_snapshot) order by outbox.position`,
    )
    return rows.map(({ value }) => value)
  }
  const interrupted = (at: Bench) => at.events.some(({ event }) => event === 'interrupted')
  const written = async (at: Bench) =>
    Number((await at.query<{ count: string }>('select sum(count) as count from oncebox.publication'))[0]?.count ?? 0)

  test('stays before what was published as long as that is not written down', async () => {
    await using at = await guardedBench(1)
    await at.relay().start()
    await at.emit('t', 'k', 'one')
    await until(() => interrupted(at), { what: 'the publication to be refused', deadlineMs: 20_000 })
    expect(texts(at.transport, 't')).toContain('one')
    expect(await notPassed(at)).toEqual(['one'])
    await at.query('truncate refused_from')
    await until(async () => (await notPassed(at)).length === 0, { what: 'the cursor to move on', deadlineMs: 20_000 })
    expect(await written(at)).toBeGreaterThan(0)
  })

  test('stays before what was published while the publications before it were being written down', async () => {
    await using at = await guardedBench(2)
    await at.relay().start()
    const gate = await at.open()
    await gate.query('select pg_advisory_lock(4711)')
    await at.emit('t', 'k', 'one')
    await until(
      async () => {
        const rows = await at.query(`select from pg_locks where locktype = 'advisory' and objid = 4711 and not granted`)
        return rows.length > 0
      },
      { what: 'the first publication to be on its way' },
    )
    await at.emit('t', 'k', 'two')
    await until(() => texts(at.transport, 't').includes('two'), { what: 'the second message to be published' })
    await gate.query('select pg_advisory_unlock(4711)')
    await until(() => interrupted(at), { what: 'the second publication to be refused', deadlineMs: 20_000 })
    expect(await notPassed(at)).toContain('two')
  })
})
