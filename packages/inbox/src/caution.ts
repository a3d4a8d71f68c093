/** How a partition is handled after a consumer that ended there without giving it back. */
export interface Careful {
  /** For so many records more. */
  readonly records: number
  /** Without offsets nobody knows where the last one stopped: at least until then (milliseconds of the clock). */
  readonly untilMs: number
  /** Identities of what those that ended here had in hand: handled alone, each attempt counted before it begins. */
  readonly accused: ReadonlySet<string>
}

/**
 * Messages a transaction while nobody is accused. Hardly ever is it a message that ends a consumer, and one by one would be
 * a hundred times slower; whoever ends among so few leaves so few accused.
 */
export const carefulMessages = 32

/** Longer than a transport without offsets takes to hand out again what a dead worker held. */
const withoutOffsetsMs = 30_000

export function carefulFrom(nowMs: number, batchMessages: number, accused: Iterable<string>): Careful {
  return { records: batchMessages, untilMs: nowMs + withoutOffsetsMs, accused: new Set(accused) }
}

/** True while records of the partition, after `done` more, have to be handled with care. Pure. */
export function isCareful(careful: Careful, done: number, withOffsets: boolean, nowMs: number): boolean {
  return careful.records > done || (!withOffsets && nowMs < careful.untilMs)
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

  of(partition: string): Careful | null {
    return this.#careful.get(partition) ?? null
  }

  /** Counts records that are done; answers true when the partition has just been passed. */
  passed(partition: string, done: number, withOffsets: boolean, nowMs: number): boolean {
    const before = this.#careful.get(partition)
    if (before === undefined) return false
    if (isCareful(before, done, withOffsets, nowMs)) {
      this.#careful.set(partition, { ...before, records: Math.max(0, before.records - done) })
      return false
    }
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
