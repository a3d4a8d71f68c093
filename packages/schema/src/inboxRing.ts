/**
 * The ring of the inbox, as migrations/0005_inbox.sql creates it; a test holds the two together. Slots and width never
 * change in place: the same id with another slot would insert as new.
 */
const slots = 12
const widthMs = 86_400_000

/** The leaves in which an inbox remembers ids; which one follows from the time inside an id. */
export const inboxRing = {
  slots,
  /** The span of id times that one leaf holds, in milliseconds. */
  widthMs,
  /** Plain names of the leaves, by slot. */
  leaves: Array.from({ length: slots }, (_, slot) => `inbox_${slot}`) as readonly string[],
} as const

/** The slot of an id that carries `unixMs`; the SQL function `inbox_slot` for the time inside a UUIDv7. */
export function inboxSlotOf(unixMs: number): number {
  return Math.floor(unixMs / widthMs) % slots
}
