import type { WireRecord } from '@oncebox/core'
import fc from 'fast-check'
import { expect } from 'vitest'
import { headerBytes, type OutgoingRecord } from '../publisher.js'
import { Collector } from './collector.js'
import { range, type Suite } from './suite.js'

const hex = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('hex'))

/** Key, value and headers as comparable text. Repeated headers keep their order; different names need not. */
function content(record: Pick<WireRecord, 'key' | 'value' | 'headers'>): object {
  const headers = new Map<string, (string | null)[]>()
  for (const [name, value] of record.headers) headers.set(name, [...(headers.get(name) ?? []), hex(value)])
  const names = [...headers.keys()].sort()
  return { key: hex(record.key), value: hex(record.value), headers: names.map((name) => [name, headers.get(name)]) }
}

const sent = (record: OutgoingRecord) => content({ ...record, headers: headerBytes(record.headers) })

const everyByte = Buffer.from(range(256))
const oddNames = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', '7', 'ütf-8 ✓', 'a b', 'ce_id']

export function byteTests(suite: Suite): void {
  suite.test('keys, values and headers arrive byte for byte', [], async () => {
    const group = suite.group()
    const topic = await suite.topic(1, group)
    const records = [
      topic.record(everyByte, everyByte, [['bytes', everyByte]]),
      ...range(256).map((byte) => topic.record(Uint8Array.of(byte), Uint8Array.of(byte), [['b', Uint8Array.of(byte)]])),
      topic.record(null, 'null key'),
      topic.record('', 'empty key'),
      topic.record('tombstone', null),
      topic.record('empty', ''),
      topic.record(null, null),
      topic.record(
        'odd names',
        'v',
        oddNames.map((name) => [name, `value of ${name}`]),
      ),
      topic.record('repeated', 'v', [
        ['again', '1'],
        ['again', ''],
        ['other', Buffer.alloc(0)],
        ['again', everyByte],
        ['__proto__', 'x'],
        ['__proto__', 'y'],
      ]),
    ]
    await suite.publishAll(records)
    const collector = new Collector()
    await suite.subscribe(topic, group, collector)
    await collector.received(records.length)
    const key = (each: object) => JSON.stringify(each)
    expect(collector.records.map((each) => key(content(each))).sort()).toEqual(
      records.map((each) => key(sent(each))).sort(),
    )
  })

  suite.test('random records in random calls arrive once each, in the order of their keys', [], async () => {
    const group = suite.group()
    const topic = await suite.topic(3, group)
    const publisher = await suite.publisher()
    const collector = new Collector()
    await suite.subscribe(topic, group, collector)
    let expected = 0

    const bytes = fc.uint8Array({ maxLength: 40 })
    const headerName = fc.string({ unit: 'grapheme', maxLength: 12 })
    const headers = fc.array(fc.tuple(headerName, fc.oneof(bytes, fc.string({ unit: 'grapheme' }))), { maxLength: 5 })
    const key = fc.option(fc.oneof(bytes, fc.constantFrom(...range(4).map((n) => Buffer.from(`k${n}`)))))
    const calls = fc.array(fc.array(fc.tuple(key, fc.option(bytes), headers), { maxLength: 30 }), { maxLength: 4 })

    await fc.assert(
      fc.asyncProperty(calls, async (plan) => {
        const before = collector.records.length
        const records = plan.flatMap((call) => call.map(([k, v, h]) => topic.record(k, v, h)))
        let at = 0
        for (const call of plan) {
          const outcomes = await publisher.publish(records.slice(at, at + call.length))
          expect(outcomes.every((outcome) => outcome.status === 'acked')).toBe(true)
          at += call.length
        }
        expected += records.length
        await collector.received(expected)
        const arrived = collector.records.slice(before)
        expect(arrived).toHaveLength(records.length)
        const text = (each: object) => JSON.stringify(each)
        for (const name of new Set(records.map((each) => hex(each.key)))) {
          const mine = arrived.filter((each) => hex(each.key) === name).map((each) => text(content(each)))
          const theirs = records.filter((each) => hex(each.key) === name).map((each) => text(sent(each)))
          if (name === null) expect(mine.sort()).toEqual(theirs.sort())
          else expect(mine).toEqual(theirs)
        }
      }),
      { numRuns: 20 },
    )
  })
}
