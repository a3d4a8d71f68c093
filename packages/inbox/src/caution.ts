/** How a partition is handled after a consumer that ended there without giving it back. */
export interface Careful {
  /** Messages a transaction at most; 1: alone, and its attempt is counted before it begins. */
  readonly atATime: number
  /** For so many records more. */
  readonly records: number
  /** Without offsets nobody knows where the last one stopped: at least until then (milliseconds of the clock). */
  readonly untilMs: number
}

/**
 * Messages a transaction after a first death, whose cause may be any of a whole batch, and hardly ever is a message: one by
 * one would be a hundred times slower. Whoever ends among so few leaves few to be handled alone.
 */
export const carefulMessages = 32

/** Longer than a transport without offsets takes to hand out again what a dead worker held. */
const withoutOffsetsMs = 30_000

/** `before`: how many at a time the one that ended had handled; null when it was not careful. Pure. */
export function carefulAfter(before: number | null, nowMs: number, batchMessages: number): Careful {
  const few = Math.min(carefulMessages, batchMessages)
  return {
    atATime: before === null && batchMessages > few ? few : 1,
    records: before === null ? batchMessages : few,
    untilMs: nowMs + withoutOffsetsMs,
  }
}

/** True while records of the partition have to be handled with care. Pure. */
export function isCareful(careful: Careful, withOffsets: boolean, nowMs: number): boolean {
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

  /** How many messages the next transaction may have, once `done` records more are done; null: as many as it likes. */
  atATime(partition: string, done: number, withOffsets: boolean, nowMs: number): number | null {
    const careful = this.#careful.get(partition)
    if (careful === undefined) return null
    return isCareful(afterRecords(careful, done), withOffsets, nowMs) ? careful.atATime : null
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
