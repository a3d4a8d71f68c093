/**
 * The ring of `publication`, as migrations/0008_publication.sql creates it; a test holds the two together. The slot
 * follows from the time of the publish alone.
 */
const slots = 8

/** The leaves in which a relay notes what it published. */
export const publicationRing = {
  slots,
  /** For how long one leaf is written, in milliseconds. */
  widthMs: 12 * 3_600_000,
  /** Plain names of the leaves, by slot. */
  leaves: Array.from({ length: slots }, (_, slot) => `publication_${slot}`) as readonly string[],
} as const
