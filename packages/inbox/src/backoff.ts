/** The pause between attempts, in milliseconds. */
export interface Backoff {
  /** After the first failure. */
  readonly minMs: number
  /** The longest. */
  readonly maxMs: number
}

/**
 * How long to wait after the `attempt`th failure in a row (1-based): doubling from `minMs`, never above `maxMs`, spread
 * by `random` (0 up to 1) over half to one and a half of that, so that failures which came together part. Pure.
 */
export function backoffMs(attempt: number, backoff: Backoff, random: number): number {
  const doubled = Math.min(backoff.maxMs, backoff.minMs * 2 ** Math.min(attempt - 1, 40))
  return Math.round(Math.min(backoff.maxMs, Math.max(backoff.minMs, doubled * (0.5 + random))))
}
