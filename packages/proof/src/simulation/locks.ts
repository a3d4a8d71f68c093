import type { ModelTransaction } from './modelDatabase.js'
import { sqlError } from './statementFaults.js'

/** What a transaction may do beside others: rows know one mode, tables the ones that statements and LOCK TABLE take. */
export type LockMode = 'row' | 'access share' | 'row exclusive' | 'share row exclusive' | 'access exclusive'

/** Modes that a mode cannot be had beside, as in the manual's table of conflicting lock modes. */
const conflicts: Readonly<Record<LockMode, readonly LockMode[]>> = {
  row: ['row'],
  'access share': ['access exclusive'],
  'row exclusive': ['share row exclusive', 'access exclusive'],
  'share row exclusive': ['row exclusive', 'share row exclusive', 'access exclusive'],
  'access exclusive': ['access share', 'row exclusive', 'share row exclusive', 'access exclusive'],
}

interface Holding {
  readonly transaction: ModelTransaction
  readonly mode: LockMode
}

interface Waiting extends Holding {
  readonly lock: Lock
  readonly granted: () => void
}

interface Lock {
  readonly name: string
  readonly holders: Holding[]
  readonly waiting: Waiting[]
}

/**
 * Locks of rows and tables: each held until its transaction ends, and given to those who wait in their order. Who would
 * wait for itself, through others, is told of the deadlock at once.
 */
export class Locks {
  readonly #locks = new Map<string, Lock>()
  readonly #held = new Map<ModelTransaction, Set<Lock>>()
  readonly #waits = new Map<ModelTransaction, Waiting>()

  /**
   * Resolves when the lock is the transaction's, null when it is at once; throws at a deadlock. One that has ended meanwhile
   * gets nothing, and never hears of it.
   */
  take(name: string, transaction: ModelTransaction, mode: LockMode = 'row'): Promise<void> | null {
    // A backend that was ended does nothing more, whatever its statement was about to do.
    if (transaction.ended) return new Promise(() => undefined)
    const lock = this.#locks.get(name) ?? { name, holders: [], waiting: [] }
    this.#locks.set(name, lock)
    if (lock.holders.some((each) => each.transaction === transaction && each.mode === mode)) return null
    const wanted = { transaction, mode }
    if (this.#blockers(lock, wanted).length === 0) {
      this.#grant(lock, wanted)
      return null
    }
    if (this.#leadsTo(transaction, this.#blockers(lock, wanted), new Set())) throw sqlError('deadlock')
    const turn = new Promise<void>((granted) => {
      const waiting = { ...wanted, lock, granted }
      lock.waiting.push(waiting)
      this.#waits.set(transaction, waiting)
    })
    // The crash that frees the row may end the one who waits for it as well.
    return turn.then(() => (transaction.ended ? new Promise(() => undefined) : undefined))
  }

  /** Whether the transaction would have the lock at once: for those who skip what is locked. */
  isFree(name: string, transaction: ModelTransaction, mode: LockMode = 'row'): boolean {
    const lock = this.#locks.get(name)
    return lock === undefined || this.#blockers(lock, { transaction, mode }).length === 0
  }

  /** Resolves once the transaction could have the lock: for those who wait and keep nothing that they had not before. */
  async passed(name: string, transaction: ModelTransaction): Promise<void> {
    if (this.#locks.get(name)?.holders.some((each) => each.transaction === transaction)) return
    await this.take(name, transaction)
    this.giveBack(name, transaction)
  }

  /** Before the end of the transaction: there is nothing, after all, that it would have locked. */
  giveBack(name: string, transaction: ModelTransaction): void {
    const lock = this.#locks.get(name)
    if (lock === undefined) return
    this.#held.get(transaction)?.delete(lock)
    this.#dropHolder(lock, transaction)
  }

  release(transaction: ModelTransaction): void {
    this.giveUp(transaction)
    const locks = this.#held.get(transaction)
    if (locks === undefined) return
    this.#held.delete(transaction)
    for (const lock of locks) this.#dropHolder(lock, transaction)
  }

  #dropHolder(lock: Lock, transaction: ModelTransaction): void {
    for (let at = lock.holders.length - 1; at >= 0; at--) {
      if (lock.holders[at]?.transaction === transaction) lock.holders.splice(at, 1)
    }
    this.#handOn(lock)
  }

  /** The transaction waits no longer: it was ended, or has waited long enough. False: it waits for nothing. */
  giveUp(transaction: ModelTransaction): boolean {
    const waiting = this.#waits.get(transaction)
    if (waiting === undefined) return false
    this.#waits.delete(transaction)
    waiting.lock.waiting.splice(waiting.lock.waiting.indexOf(waiting), 1)
    this.#handOn(waiting.lock)
    return true
  }

  #handOn(lock: Lock): void {
    for (let at = 0; at < lock.waiting.length; ) {
      const next = lock.waiting[at] as Waiting
      if (this.#blockers(lock, next, at).length > 0) {
        at++
        continue
      }
      lock.waiting.splice(at, 1)
      this.#waits.delete(next.transaction)
      this.#grant(lock, next)
      next.granted()
    }
    if (lock.holders.length === 0 && lock.waiting.length === 0) this.#locks.delete(lock.name)
  }

  #grant(lock: Lock, { transaction, mode }: Holding): void {
    lock.holders.push({ transaction, mode })
    const held = this.#held.get(transaction) ?? new Set()
    held.add(lock)
    this.#held.set(transaction, held)
  }

  /**
   * Whom a transaction has to wait for: those who hold a conflicting mode, and those who wait for one before it, unless it has
   * a part of the lock already.
   */
  #blockers(lock: Lock, { transaction, mode }: Holding, before = lock.waiting.length): ModelTransaction[] {
    const conflicting = (each: Holding): boolean =>
      each.transaction !== transaction && conflicts[mode].includes(each.mode)
    const holders = lock.holders.filter(conflicting)
    const inside = lock.holders.some((each) => each.transaction === transaction)
    const ahead = inside ? [] : lock.waiting.slice(0, before).filter(conflicting)
    return [...holders, ...ahead].map((each) => each.transaction)
  }

  /** Whether one of `blockers` waits, through whomever, for the transaction; who gives up by itself ends no circle. */
  #leadsTo(transaction: ModelTransaction, blockers: readonly ModelTransaction[], seen: Set<ModelTransaction>): boolean {
    return blockers.some((blocker) => {
      if (blocker === transaction) return true
      if (seen.has(blocker)) return false
      seen.add(blocker)
      const waiting = this.#waits.get(blocker)
      if (waiting === undefined || blocker.lockTimeoutMs !== null) return false
      const before = waiting.lock.waiting.indexOf(waiting)
      return this.#leadsTo(transaction, this.#blockers(waiting.lock, waiting, before), seen)
    })
  }
}
