/**
 * The ring of the outbox, as migrations/0002_outbox.sql creates it; a test holds the two together.
 * Slot numbers are 0 to `slots` − 1; a row with any other slot lands in the default leaf.
 */
const slots = 8

/** The leaves of the outbox: the relay writes into one slot after the other, and empties them in turn. */
export const outboxRing = {
  slots,
  /** How long the relay keeps one slot active, in milliseconds: six full slots hold the default retention of 3 days. */
  widthMs: 12 * 3_600_000,
  /** Plain names of the leaves, by slot. */
  leaves: Array.from({ length: slots }, (_, slot) => `outbox_${slot}`) as readonly string[],
  defaultLeaf: 'outbox_default',
} as const
