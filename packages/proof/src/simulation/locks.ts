import type { ModelTransaction } from './modelDatabase.js'
import { sqlError } from './statementFaults.js'

interface Lock {
  owner: ModelTransaction
  readonly waiting: { readonly transaction: ModelTransaction; readonly granted: () => void }[]
}

/**
 * Row locks: each held by one transaction until it ends, and given to those who wait in their order. Who would wait for
 * itself, through others, is told of the deadlock at once.
 */
export class Locks {
  readonly #locks = new Map<string, Lock>()
  readonly #waitsFor = new Map<ModelTransaction, Lock>()

  /** Resolves when the row is the transaction's; throws at a deadlock. One that has ended meanwhile gets nothing, and never hears of it. */
  take(row: string, transaction: ModelTransaction): Promise<void> | null {
    // A backend that was ended does nothing more, whatever its statement was about to do.
    if (transaction.ended) return new Promise(() => undefined)
    const lock = this.#locks.get(row)
    if (lock === undefined) {
      this.#locks.set(row, { owner: transaction, waiting: [] })
      return null
    }
    if (lock.owner === transaction) return null
    if (this.#leadsTo(transaction, lock)) throw sqlError('deadlock')
    this.#waitsFor.set(transaction, lock)
    const turn = new Promise<void>((granted) => lock.waiting.push({ transaction, granted }))
    // The crash that frees the row may end the one who waits for it as well.
    return turn.then(() => (transaction.ended ? new Promise(() => undefined) : undefined))
  }

  release(transaction: ModelTransaction): void {
    this.#waitsFor.delete(transaction)
    for (const [row, lock] of this.#locks) {
      if (lock.owner !== transaction) continue
      let next = lock.waiting.shift()
      while (next?.transaction.ended === true) next = lock.waiting.shift()
      if (next === undefined) {
        this.#locks.delete(row)
      } else {
        lock.owner = next.transaction
        this.#waitsFor.delete(next.transaction)
        next.granted()
      }
    }
  }

  /** Whether the owner of the lock waits, through whomever, for the transaction. */
  #leadsTo(transaction: ModelTransaction, lock: Lock): boolean {
    for (let at: Lock | undefined = lock; at !== undefined; at = this.#waitsFor.get(at.owner)) {
      if (at.owner === transaction) return true
    }
    return false
  }
}
