/** Postgres counts timestamps in microseconds from the year 2000 (timestamptz, binary format). */
const epochSeconds = Date.UTC(2000, 0, 1) / 1_000
const earliest = Date.parse('0000-01-01T00:00:00Z') / 1_000
const latest = Date.parse('9999-12-31T23:59:59Z') / 1_000
const zero = 0x30

/** Milliseconds since the Unix epoch. */
export function unixMs(microseconds: number): number {
  return microseconds / 1_000 + epochSeconds * 1_000
}

/** `2026-11-22T19:33:00.000000Z` */
export const timeBytes = 27
/** Messages of one second share all but the digits behind the point. */
const secondBytes = 20
const knownText = Buffer.alloc(timeBytes)
let knownSecond = Number.NaN

/**
 * Writes RFC 3339 in UTC with microseconds to the start of `out`. Times that have none (infinity, years past 9999) become
 * the nearest that has.
 */
export function writeTime(microseconds: number, out: Buffer): void {
  const second = Math.floor(microseconds / 1_000_000)
  if (second !== knownSecond) {
    const seconds = Math.min(latest, Math.max(earliest, second + epochSeconds))
    knownText.write(`${new Date(seconds * 1_000).toISOString().slice(0, 19)}.000000Z`, 'latin1')
    knownSecond = second
  }
  for (let at = 0; at < timeBytes; at++) out[at] = knownText[at] as number
  let rest = microseconds - second * 1_000_000
  for (let at = timeBytes - 2; at >= secondBytes; at--) {
    const tenth = Math.floor(rest / 10)
    out[at] = zero + rest - tenth * 10
    rest = tenth
  }
}
