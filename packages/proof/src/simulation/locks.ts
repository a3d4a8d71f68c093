import type { ModelTransaction } from './modelDatabase.js'

interface Lock {
  owner: ModelTransaction
  readonly waiting: { readonly transaction: ModelTransaction; readonly granted: () => void }[]
}

/** Row locks: each held by one transaction until it ends, and given to those who wait in their order. */
export class Locks {
  readonly #locks = new Map<string, Lock>()

  /** Resolves when the row is the transaction's. One that has ended meanwhile gets nothing, and never hears of it. */
  take(row: string, transaction: ModelTransaction): Promise<void> | null {
    // A backend that was ended does nothing more, whatever its statement was about to do.
    if (transaction.ended) return new Promise(() => undefined)
    const lock = this.#locks.get(row)
    if (lock === undefined) {
      this.#locks.set(row, { owner: transaction, waiting: [] })
      return null
    }
    if (lock.owner === transaction) return null
    const turn = new Promise<void>((granted) => lock.waiting.push({ transaction, granted }))
    // The crash that frees the row may end the one who waits for it as well.
    return turn.then(() => (transaction.ended ? new Promise(() => undefined) : undefined))
  }

  release(transaction: ModelTransaction): void {
    for (const [row, lock] of this.#locks) {
      if (lock.owner !== transaction) continue
      let next = lock.waiting.shift()
      while (next?.transaction.ended === true) next = lock.waiting.shift()
      if (next === undefined) {
        this.#locks.delete(row)
      } else {
        lock.owner = next.transaction
        next.granted()
      }
    }
  }
}
