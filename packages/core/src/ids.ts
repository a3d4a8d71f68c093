import { v7 } from 'uuid'

/** A source of global ids: UUIDs in version 7 layout, whose first 48 bits are `unixMs`. */
export interface IdSource {
  /** `unixMs` is the time the id carries (milliseconds); the present when not given. */
  next(unixMs?: number): string
}

/**
 * UUIDv7 made in this process: increasing, also within one millisecond and when the clock steps back. Ids of a given
 * time are random within their millisecond.
 */
export const localIds: IdSource = {
  next: (unixMs) => (unixMs === undefined ? risingV7() : v7({ msecs: unixMs })),
}

/** RFC 9562, section 6.2: a counter below the time, random at first, goes up within a millisecond. */
const counter = { ms: Number.NEGATIVE_INFINITY, value: 0 }

function risingV7(): string {
  const now = Date.now()
  const random = randomBytes(now)
  if (now > counter.ms) {
    counter.ms = now
    counter.value = new DataView(random.buffer, random.byteOffset).getUint32(6) & 0x7fffffff
  } else {
    counter.value = (counter.value + 1) | 0
    if (counter.value === 0) counter.ms++
  }
  return v7({ random, msecs: counter.ms, seq: counter.value })
}

const idBytes = 16
const drawn = new Uint8Array(64 * idBytes)
let used = drawn.length
let drawnAt = Number.NaN

/**
 * Random bytes for one id. A draw costs a microsecond however little is drawn, so the second id of a millisecond draws for
 * those behind it. What is left is dropped with the millisecond: a copy of this process, resumed from a snapshot, must not
 * find the bytes of the other's ids.
 */
function randomBytes(now: number): Uint8Array<ArrayBuffer> {
  if (now !== drawnAt) {
    drawnAt = now
    used = drawn.length
    return crypto.getRandomValues(new Uint8Array(idBytes))
  }
  if (used === drawn.length) {
    crypto.getRandomValues(drawn)
    used = 0
  }
  used += idBytes
  return drawn.subarray(used - idBytes, used)
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const uuidV7Pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

/**
 * True for a UUID in its canonical text form (any case), of any version and variant: what Postgres takes as one, such
 * as `md5(…)::uuid`, is one.
 */
export function isUuid(text: string): boolean {
  return uuidPattern.test(text)
}

/** True for a UUIDv7 in its canonical text form: an id whose time the inbox's ring can use. */
export function isUuidV7(text: string): boolean {
  return uuidV7Pattern.test(text)
}

/** The milliseconds since the Unix epoch inside a UUIDv7. The caller has checked `isUuidV7`. */
export function uuidV7Time(id: string): number {
  return Number.parseInt(id.slice(0, 8), 16) * 0x10000 + Number.parseInt(id.slice(9, 13), 16)
}
