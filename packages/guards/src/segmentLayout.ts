/** The most ids of a segment: what 12 bits can number. */
export const maxSegmentSize = 4_096
/** Numbers of segments have 44 bits. */
export const maxSegment = 2 ** 44 - 1

/**
 * A UUIDv7 (RFC 9562, section 5.7) of 48 bits of milliseconds and, in the place of random bits, 44 bits of segment,
 * 12 bits of index, 18 random bits. Segment and index alone make it unique as long as the id service forgets nothing;
 * time and random bits keep ids apart after it was restored from a backup.
 *
 * Later segments and indexes sort higher within a millisecond. `random` is from 0 (inclusive) to 1 (exclusive).
 */
export function segmentId(unixMs: number, segment: number, index: number, random: number): string {
  const time = hex(unixMs, 12)
  // Beyond 32 bits only arithmetic works, not shifting.
  const high = hex(Math.floor(segment / 2 ** 32), 3)
  const middle = hex(0x8000 + (Math.floor(segment / 2 ** 18) % 2 ** 14), 4)
  const low = hex((segment % 2 ** 18) * 2 ** 30 + index * 2 ** 18 + Math.floor(random * 2 ** 18), 12)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${high}-${middle}-${low}`
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}
