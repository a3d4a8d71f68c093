export interface BackoffLimits {
  readonly firstMs: number
  readonly longestMs: number
}

/** For records that got no acknowledgement, and for a transport that is away. */
export const publishBackoff: BackoffLimits = { firstMs: 50, longestMs: 5_000 }
/** For a database that is away. */
export const databaseBackoff: BackoffLimits = { firstMs: 50, longestMs: 2_000 }
/** For what was moved aside and is tried again. */
export const parkedBackoff: BackoffLimits = { firstMs: 1_000, longestMs: 60_000 }

/**
 * The pause after failure number `failures` (from 1), in milliseconds: doubling up to the longest, then spread over its
 * upper half by `random`, so that relays and keys do not come back in step.
 */
export function backoffMs(limits: BackoffLimits, failures: number, random: () => number): number {
  const full = Math.min(limits.longestMs, limits.firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)))
  return Math.round(full / 2 + (full / 2) * random())
}
