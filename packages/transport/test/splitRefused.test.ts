import type { OutgoingRecord, PartResult } from '@oncebox/transport'
import { orderKey, splitRefused } from '@oncebox/transport'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const record = (key: string | null, value: string): OutgoingRecord => ({
  topic: 't',
  partition: 0,
  key: key === null ? null : Buffer.from(key),
  value: Buffer.from(value),
  headers: [],
})

/** A transport that refuses a request whole when one of its records is bad, and tells what it wrote. */
function refusing(bad: (record: OutgoingRecord) => boolean) {
  const written: OutgoingRecord[] = []
  let requests = 0
  const send = async (part: readonly OutgoingRecord[]): Promise<PartResult> => {
    requests++
    if (part.some(bad)) return { refused: { code: 'RECORD_TOO_LARGE', reason: 'too large' } }
    written.push(...part)
    return { outcomes: part.map(() => ({ status: 'acked', partition: 0, offset: null })) }
  }
  return { written, send, requests: () => requests }
}

describe('splitting a request that was refused whole', () => {
  it('finds the culprit in a logarithmic number of requests', async () => {
    const records = Array.from({ length: 1024 }, (_, n) => record(`k${n}`, n === 700 ? 'bad' : 'good'))
    const transport = refusing((each) => String(each.value) === 'bad')
    const outcomes = await splitRefused(records, transport.send)
    expect(outcomes.filter((outcome) => outcome.status === 'acked')).toHaveLength(1023)
    expect(outcomes[700]).toEqual({ status: 'refused', code: 'RECORD_TOO_LARGE', reason: 'too large' })
    expect(transport.requests()).toBeLessThanOrEqual(21)
  })

  it('writes a prefix of every key, refuses only culprits, and acks everything not behind one', async () => {
    const one = fc.record({ key: fc.option(fc.constantFrom('a', 'b', 'c')), bad: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(one, { maxLength: 60 }), async (plan) => {
        const records = plan.map(({ key, bad }, n) => record(key, `${bad ? 'bad' : 'good'} ${n}`))
        const transport = refusing((each) => String(each.value).startsWith('bad'))
        const outcomes = await splitRefused(records, transport.send)
        const stopped = new Set<string | null>()
        records.forEach((each, n) => {
          const key = orderKey(each)
          const held = key !== null && stopped.has(key)
          const expected = held ? 'held' : plan[n]?.bad ? 'refused' : 'acked'
          expect(outcomes[n]?.status).toBe(expected)
          if (expected !== 'acked') stopped.add(key)
        })
        const acked = records.filter((_, n) => outcomes[n]?.status === 'acked')
        expect(transport.written).toEqual(acked)
      }),
    )
  })

  it('sends nothing more once the transport is away', async () => {
    const records = Array.from({ length: 8 }, (_, n) => record(`k${n % 2}`, n === 0 ? 'bad' : `${n}`))
    let requests = 0
    const outcomes = await splitRefused(records, async (part) => {
      requests++
      if (part.length > 2) return { refused: { code: 'RECORD_TOO_LARGE', reason: 'too large' } }
      return { outcomes: part.map(() => ({ status: 'failed', code: 'TRANSPORT_UNREACHABLE', reason: 'away' })) }
    })
    expect(requests).toBe(3)
    expect(outcomes.every((outcome) => outcome.status === 'failed' || outcome.status === 'held')).toBe(true)
    expect(outcomes[0]?.status).toBe('failed')
  })

  it('tells keys apart by their bytes', () => {
    const key = (...bytes: number[]) => orderKey({ topic: 't', key: Uint8Array.from(bytes) })
    expect(key(0xff)).not.toBe(key(0xfe))
    expect(key()).not.toBe(orderKey({ topic: 't', key: null }))
    expect(orderKey({ topic: 'a', key: Uint8Array.of(98) })).not.toBe(orderKey({ topic: 'ab', key: new Uint8Array() }))
  })
})
