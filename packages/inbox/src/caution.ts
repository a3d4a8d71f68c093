/** How much of a partition is still handled one by one, because the consumer before this one ended there. */
export interface Careful {
  /** So many records more. */
  readonly records: number
  /** Without offsets nobody knows where the last one stopped: at least until then (milliseconds of the clock). */
  readonly untilMs: number
}

/** Longer than a transport without offsets takes to hand out again what a dead worker held. */
const withoutOffsetsMs = 30_000

export function carefulFrom(nowMs: number, batchMessages: number): Careful {
  return { records: batchMessages, untilMs: nowMs + withoutOffsetsMs }
}

/** True while records of the partition have to be handled one by one. Pure. */
export function isCareful(careful: Careful | undefined, withOffsets: boolean, nowMs: number): boolean {
  if (careful === undefined) return false
  return careful.records > 0 || (!withOffsets && nowMs < careful.untilMs)
}

export function afterRecords(careful: Careful, done: number): Careful {
  return { ...careful, records: Math.max(0, careful.records - done) }
}

/** The partitions of a consumer that are handled with care, by name. */
export class Caution {
  readonly #careful = new Map<string, Careful>()
  /** Messages whose start was recorded by this process and not concluded: not to be counted once more. */
  readonly started = new Set<string>()
  #turn: Promise<unknown> = Promise.resolve()

  begin(partition: string, careful: Careful): void {
    this.#careful.set(partition, careful)
  }

  drop(partition: string): void {
    this.#careful.delete(partition)
  }

  applies(partition: string, withOffsets: boolean, nowMs: number): boolean {
    return isCareful(this.#careful.get(partition), withOffsets, nowMs)
  }

  /** Counts records that are done; answers true when the partition has just been passed. */
  passed(partition: string, done: number, withOffsets: boolean, nowMs: number): boolean {
    const before = this.#careful.get(partition)
    if (before === undefined) return false
    const after = afterRecords(before, done)
    this.#careful.set(partition, after)
    if (isCareful(after, withOffsets, nowMs)) return false
    this.#careful.delete(partition)
    return true
  }

  /** One at a time over all partitions: when the process ends, exactly one message had begun. */
  async turn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work)
    this.#turn = mine.catch(() => {})
    return mine
  }
}
