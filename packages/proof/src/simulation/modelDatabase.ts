import type { FencedWrite } from '@oncebox/testkit'
import { InboxTables } from './inboxTables.js'
import { Locks } from './locks.js'
import type { OutboxRow } from './outboxRow.js'
import { type Snapshot, visibleIn } from './snapshots.js'
import { Transactions } from './transactions.js'

/** A transaction as the model runs it: what it changed, how to take that back, and what it has locked. */
export class ModelTransaction {
  xid: number | null = null
  ended = false
  committed = false
  readonly undo: (() => void)[] = []
  /** What is to be noted in the order of commits. */
  readonly atCommit: (() => void)[] = []
  /** Whether COMMIT waits for the disk. */
  durable = true
}

/** A commit that is visible and not yet on disk. */
interface LostInCrash {
  readonly xid: number
  readonly undo: readonly (() => void)[]
}

/** Of the relay's cursor table. */
export interface CursorRow {
  epoch: number
  token: string | null
  /** Virtual milliseconds. */
  expiresAt: number | null
  last: string
  upper: string | null
  position: string | null
}

/**
 * A primary, as far as relay and inbox can see: transaction ids, snapshots, row locks, commits in an order of their own,
 * prepared transactions, commits that reach the disk later, and crashes that take those back. Statements see what was
 * committed when they began; a row is locked by whoever changed it.
 */
export class ModelDatabase {
  readonly transactions = new Transactions()
  readonly locks = new Locks()
  readonly outbox: OutboxRow[] = []
  readonly cursor: CursorRow = { epoch: 0, token: null, expiresAt: null, last: '3:3:', upper: null, position: null }
  /** Attempts to write under an epoch, for the judge. */
  readonly writes: FencedWrite[] = []
  readonly pinned = new Map<string, number>()
  readonly inbox = new InboxTables()
  readonly parked: { readonly number: number; readonly reason: string; readonly row: OutboxRow }[] = []
  #parkedNumber = 0
  #position = 0
  #durablePosition = 0
  #unflushed: LostInCrash[] = []
  /** Rises with every crash: sessions of an earlier life are gone. */
  life = 0

  begin(): ModelTransaction {
    return new ModelTransaction()
  }

  /** Gives the transaction an id, which is what its first change does. */
  write(transaction: ModelTransaction, undo: () => void): number {
    transaction.xid ??= this.transactions.begin()
    transaction.undo.push(undo)
    return transaction.xid
  }

  insert(transaction: ModelTransaction, message: Pick<OutboxRow, 'number' | 'topic' | 'key'>): OutboxRow {
    const xid = this.write(transaction, () => this.#remove(row))
    const row: OutboxRow = { ...message, position: ++this.#position, xid }
    this.outbox.push(row)
    return row
  }

  park(transaction: ModelTransaction, row: OutboxRow, reason: string): boolean {
    if (this.parked.some((parked) => parked.row.position === row.position)) return false
    const parked = { number: ++this.#parkedNumber, reason, row }
    this.parked.push(parked)
    this.write(transaction, () => this.parked.splice(this.parked.indexOf(parked), 1))
    return true
  }

  unpark(transaction: ModelTransaction, number: number): number | null {
    const at = this.parked.findIndex((parked) => parked.number === number)
    const [parked] = at < 0 ? [] : this.parked.splice(at, 1)
    if (parked === undefined) return null
    this.write(transaction, () => {
      this.parked.push(parked)
      this.parked.sort((a, b) => a.number - b.number)
    })
    return parked.row.position
  }

  commit(transaction: ModelTransaction): void {
    if (transaction.ended) return
    transaction.ended = true
    transaction.committed = true
    for (const note of transaction.atCommit) note()
    const { xid, durable } = transaction
    if (xid !== null) {
      this.transactions.end(xid, 'committed', durable)
      if (durable) this.flush()
      else this.#unflushed.push({ xid, undo: transaction.undo })
    }
    this.locks.release(transaction)
  }

  rollback(transaction: ModelTransaction): void {
    if (transaction.ended) return
    transaction.ended = true
    for (const undo of transaction.undo.toReversed()) undo()
    if (transaction.xid !== null) this.transactions.end(transaction.xid, 'aborted', false)
    this.locks.release(transaction)
  }

  prepare(transaction: ModelTransaction): void {
    if (transaction.xid !== null) this.transactions.prepare(transaction.xid)
    this.flush()
  }

  /** Everything that was written so far is on disk. */
  flush(): void {
    this.#unflushed = []
    this.#durablePosition = this.#position
    this.transactions.flush()
  }

  /** An immediate shutdown and recovery. `open`: transactions that run; prepared ones stay, with their locks. */
  crash(open: readonly ModelTransaction[]): void {
    for (const transaction of open) this.rollback(transaction)
    const lost = this.#unflushed.toReversed()
    for (const { undo } of lost) for (const step of undo.toReversed()) step()
    this.#unflushed = []
    this.transactions.crash(lost.map(({ xid }) => xid))
    this.#position = this.#durablePosition
    this.life++
  }

  snapshot(): Snapshot {
    return this.transactions.snapshot()
  }

  /** Rows that a statement which begins now sees. */
  visible(): OutboxRow[] {
    const now = this.snapshot()
    return this.outbox.filter(({ xid }) => this.transactions.committed(xid) && visibleIn(xid, now))
  }

  #remove(row: OutboxRow): void {
    const at = this.outbox.lastIndexOf(row)
    if (at >= 0) this.outbox.splice(at, 1)
  }
}
