/** A snapshot of transactions, as `pg_snapshot` has it. */
export interface Snapshot {
  readonly xmin: number
  readonly xmax: number
  readonly xip: readonly number[]
}

/** `xmin:xmax:xip,…` */
export function snapshotText({ xmin, xmax, xip }: Snapshot): string {
  return `${xmin}:${xmax}:${xip.join(',')}`
}

export function parseSnapshot(text: string): Snapshot {
  const [xmin = '', xmax = '', xip = ''] = text.split(':')
  return { xmin: Number(xmin), xmax: Number(xmax), xip: xip === '' ? [] : xip.split(',').map(Number) }
}

/** pg_visible_in_snapshot: whether the transaction had ended, one way or another, when the snapshot was taken. */
export function visibleIn(xid: number, snapshot: Snapshot): boolean {
  return xid < snapshot.xmin || (xid < snapshot.xmax && !snapshot.xip.includes(xid))
}
