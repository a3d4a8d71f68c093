/** Something that happens at a time. */
interface Happening {
  readonly at: number
  readonly order: number
  run: (() => void) | null
}

/** Takes a planned happening back. */
export type Cancel = () => void

/**
 * Virtual time: what is planned happens one after the other, in the order of times and, at one time, of planning. Between
 * two happenings everything that promises set off runs to its end.
 */
export class Timeline {
  readonly #heap: Happening[] = []
  #order = 0
  /** Milliseconds since the beginning. */
  now = 0
  /** How many things have happened. */
  steps = 0

  after(ms: number, run: () => void): Cancel {
    const happening: Happening = { at: this.now + Math.max(0, ms), order: this.#order++, run }
    this.#push(happening)
    return () => {
      happening.run = null
    }
  }

  /** Lets things happen until `done`, nothing is planned, or virtual time passes `until`. */
  async run(until: number, done: () => boolean): Promise<void> {
    await settled()
    while (!done()) {
      const next = this.#pop()
      if (next === undefined || next.at > until) return
      this.now = next.at
      if (next.run === null) continue
      this.steps++
      next.run()
      await settled()
    }
  }

  #push(happening: Happening): void {
    const heap = this.#heap
    let at = heap.push(happening) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(happening, heap[parent] as Happening)) break
      heap[at] = heap[parent] as Happening
      at = parent
    }
    heap[at] = happening
  }

  #pop(): Happening | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Happening, heap[child] as Happening)) child++
      if (!before(heap[child] as Happening, last)) break
      heap[at] = heap[child] as Happening
      at = child
    }
    heap[at] = last
    return top
  }
}

function before(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Resolves when no promise has anything left to do. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
