import { v7, validate, version } from 'uuid'

/** A source of global ids: UUIDs in version 7 layout, whose first 48 bits are `unixMs`. */
export interface IdSource {
  /** `unixMs` is the time the id carries (milliseconds); the present when not given. */
  next(unixMs?: number): string
}

/** UUIDv7 made in this process; increasing within it as long as the clock is not given by the caller. */
export const localIds: IdSource = {
  next: (unixMs) => (unixMs === undefined ? v7() : v7({ msecs: unixMs })),
}

/** True for a UUID of any version in its canonical text form (any case). */
export function isUuid(text: string): boolean {
  return validate(text)
}

/** True for a UUIDv7 in its canonical text form: an id whose time the inbox's ring can use. */
export function isUuidV7(text: string): boolean {
  return validate(text) && version(text) === 7
}

/** The milliseconds since the Unix epoch inside a UUIDv7. The caller has checked `isUuidV7`. */
export function uuidV7Time(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}
