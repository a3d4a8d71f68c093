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
  next: (unixMs) => (unixMs === undefined ? v7() : v7({ msecs: unixMs })),
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
