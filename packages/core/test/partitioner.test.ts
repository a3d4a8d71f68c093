import { murmur2, partitionOf } from '@oncebox/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const bytes = (text: string) => Buffer.from(text, 'utf8')

describe('partitioner', () => {
  // The vectors of Kafka's own UtilsTest#testMurmur2.
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('hashes %j as the Java client does', (text, hash) => {
    expect(murmur2(bytes(text))).toBe(hash)
  })

  it('hashes any bytes as the Java source does, translated to exact integers', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (data) => {
        expect(murmur2(data)).toBe(murmur2OfJava(data))
      }),
      { numRuns: 500 },
    )
  })

  it('gives every key one of the partitions, the same for the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 1000 }), (key, partitions) => {
        const partition = partitionOf(key, partitions)
        expect(partition).toBeGreaterThanOrEqual(0)
        expect(partition).toBeLessThan(partitions)
        expect(partitionOf(Buffer.from(key), partitions)).toBe(partition)
      }),
    )
  })

  it('makes a negative hash positive by its sign bit, not by its absolute value', () => {
    expect(partitionOf(bytes('21'), 7)).toBe((-973932308 & 0x7fffffff) % 7)
    expect(partitionOf(bytes('21'), 7)).not.toBe(973932308 % 7)
  })
})

/** org.apache.kafka.common.utils.Utils#murmur2, line by line, in 32-bit arithmetic on big integers. */
function murmur2OfJava(data: Uint8Array): number {
  const int = (value: bigint) => BigInt.asIntN(32, value)
  const shift = (value: bigint, by: bigint) => BigInt.asUintN(32, value) >> by
  const at = (index: number) => BigInt(data[index] ?? 0)
  const length = data.length
  const m = 0x5bd1e995n
  let h = int(0x9747b28cn) ^ BigInt(length)
  for (let i = 0; i < Math.floor(length / 4); i++) {
    let k = int(at(4 * i) + (at(4 * i + 1) << 8n) + (at(4 * i + 2) << 16n) + (at(4 * i + 3) << 24n))
    k = int(k * m)
    k = int(k ^ shift(k, 24n))
    k = int(k * m)
    h = int(int(h * m) ^ k)
  }
  const tail = length - (length % 4)
  if (length % 4 === 3) h = int(h ^ (at(tail + 2) << 16n))
  if (length % 4 >= 2) h = int(h ^ (at(tail + 1) << 8n))
  if (length % 4 >= 1) h = int(int(h ^ at(tail)) * m)
  h = int(h ^ shift(h, 13n))
  h = int(h * m)
  h = int(h ^ shift(h, 15n))
  return Number(h)
}
