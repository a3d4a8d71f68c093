import type { Progress } from './progress.js'

interface Snapshot {
  readonly xmax: bigint
  readonly running: readonly bigint[]
}

/**
 * How far all of several lanes got: what is visible in the snapshot that comes back is published or parked by every one of
 * them. Exact, with the page that they are in, where they stand alike. Pure.
 */
export function commonProgress(lanes: readonly Progress[]): Progress {
  const [first] = lanes
  if (first === undefined) throw new Error('there are no lanes')
  const alike = lanes.every(({ last, page }) => last === first.last && page?.upper === first.page?.upper)
  if (!alike) return { last: lanes.map(({ last }) => last).reduce(intersection), page: null }
  if (first.page === null) return first
  const [lowest] = lanes.map(({ page }) => BigInt(page?.position ?? 0)).sort(rising)
  return { last: first.last, page: { upper: first.page.upper, position: String(lowest) } }
}

/** A snapshot in which exactly that is visible which is visible in both. In the text form of `pg_snapshot`. Pure. */
export function intersection(one: string, other: string): string {
  const [a, b] = [parse(one), parse(other)]
  const [xmax = 0n] = [a.xmax, b.xmax].sort(rising)
  const running = [...new Set([...a.running, ...b.running])].filter((xid) => xid < xmax).sort(rising)
  return `${running[0] ?? xmax}:${xmax}:${running.join(',')}`
}

function rising(one: bigint, other: bigint): number {
  return Number(one - other)
}

function parse(snapshot: string): Snapshot {
  const [, xmax = '', running = ''] = snapshot.split(':')
  return { xmax: BigInt(xmax), running: running === '' ? [] : running.split(',').map(BigInt) }
}
