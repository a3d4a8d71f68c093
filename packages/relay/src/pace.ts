const shortestMs = 2
const longestMs = 50

/**
 * How long to wait before the next look at the outbox: not at all while windows come half full or fuller, 2 ms after one
 * that brought something, then growing to 50 ms. 50 ms are 20 statements a second; renewing the lease and looking after
 * the ring stay within the 5 that are left of 25.
 */
export function nextPauseMs(previousMs: number, rowsRead: number, limit: number): number {
  if (rowsRead * 2 >= limit) return 0
  if (rowsRead > 0) return shortestMs
  return Math.min(longestMs, Math.max(shortestMs, previousMs * 1.5))
}
