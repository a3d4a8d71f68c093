import type { Snapshot } from './snapshots.js'

export type TransactionState = 'running' | 'prepared' | 'committed' | 'aborted'

const firstXid = 1_000

/** Transaction ids and their fates, as a primary hands them out and its snapshots show them. */
export class Transactions {
  readonly #states = new Map<number, TransactionState>()
  readonly #open = new Set<number>()
  #next = firstXid
  #latestCompleted = firstXid - 1
  /** Everything below is on disk: it is not handed out again. */
  #durableNext = firstXid

  get next(): number {
    return this.#next
  }

  begin(): number {
    const xid = this.#next++
    this.#states.set(xid, 'running')
    this.#open.add(xid)
    return xid
  }

  prepare(xid: number): void {
    this.#states.set(xid, 'prepared')
    this.flush()
  }

  /** `durable`: COMMIT waited for the log, which holds everything before it too. */
  end(xid: number, state: 'committed' | 'aborted', durable: boolean): void {
    this.#states.set(xid, state)
    this.#open.delete(xid)
    this.#latestCompleted = Math.max(this.#latestCompleted, xid)
    if (durable) this.flush()
  }

  /** The log is on disk up to here. */
  flush(): void {
    this.#durableNext = this.#next
  }

  committed(xid: number): boolean {
    return this.#states.get(xid) === 'committed'
  }

  /** One above the latest that has ended; a running one that lies higher is in no list. */
  snapshot(): Snapshot {
    const xmax = this.#latestCompleted + 1
    const xip = [...this.#open].filter((xid) => xid < xmax).sort((a, b) => a - b)
    return { xmin: xip[0] ?? xmax, xmax, xip }
  }

  /**
   * An immediate shutdown: what runs is aborted, prepared transactions stay. Ids that reached no disk are handed out again:
   * those of `lost` commits and of transactions that had written nothing down.
   */
  crash(lost: readonly number[]): void {
    for (const xid of [...this.#open]) if (this.#states.get(xid) === 'running') this.end(xid, 'aborted', false)
    for (const xid of lost) this.#states.delete(xid)
    this.#next = this.#durableNext
    for (const xid of [...this.#states.keys()]) if (xid >= this.#next) this.#states.delete(xid)
    this.#latestCompleted = this.#next - 1
  }
}
