import type { FencedWrite } from '@oncebox/testkit'
import { InboxTables } from './inboxTables.js'
import { Locks } from './locks.js'
import { ModelRows } from './modelRows.js'
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
  /** How long it waits for the lock of a table; null: for as long as it takes. */
  lockTimeoutMs: number | null = null
}

/** A commit that is visible and not yet on disk. */
interface LostInCrash {
  readonly xid: number
  readonly undo: readonly (() => void)[]
}

/** A row of the relay's cursor table: where a lane stands, and who has it. */
export interface CursorRow {
  readonly epoch: number
  readonly token: string | null
  /** Virtual milliseconds. */
  readonly expiresAt: number | null
  readonly last: string
  readonly upper: string | null
  readonly position: string | null
}

/** A row of the side track. */
export interface ParkedRow {
  readonly lane: number
  readonly reason: string
  readonly row: OutboxRow
}

/** A message with a time to be delivered at, where it waits for it. Virtual milliseconds. */
export interface ScheduledRow extends Pick<OutboxRow, 'number' | 'topic' | 'key'> {
  readonly dueAt: number
}

/** Parts of a change of the number of lanes. */
export interface LaneRules {
  /** Every lane goes on where all of them had got to; else, where the one that had got furthest had. */
  readonly fromTheCommonPlace: boolean
  readonly endsLeases: boolean
  readonly movesParked: boolean
}

/** Where a lane begins that nobody has served yet. */
export const newLane: CursorRow = { epoch: 0, token: null, expiresAt: null, last: '3:3:', upper: null, position: null }

/**
 * A primary, as far as relay and inbox can see: transaction ids, snapshots, row locks, commits in an order of their own,
 * prepared transactions, commits that reach the disk later, and crashes that take those back. Statements see what was
 * committed when they began; a row is locked by whoever changed it.
 */
export class ModelDatabase {
  readonly transactions = new Transactions()
  readonly locks = new Locks()
  readonly outbox: OutboxRow[] = []
  /** By lane. */
  readonly cursors = new ModelRows<CursorRow>()
  /** Attempts to write under an epoch, for the judge. */
  readonly writes: FencedWrite[] = []
  readonly pinned = new Map<string, number>()
  readonly inbox = new InboxTables()
  /** What a change of the number of lanes does; everything, but for deliberate defects. */
  laneRules: LaneRules = { fromTheCommonPlace: true, endsLeases: true, movesParked: true }
  /** By number. */
  readonly parked = new ModelRows<ParkedRow>()
  /** What operators have paused and not resumed, by what it is. */
  readonly pauses = new ModelRows<true>()
  /** By number, which is that of the row here and not of the message. */
  readonly scheduled = new ModelRows<ScheduledRow>()
  /** The last number given to a scheduled message. */
  #scheduledNumber = 0
  /** When messages came to the outbox that had been scheduled, by their numbers: at the commit. */
  readonly moved = new Map<number, number>()
  /** The leaf of the outbox to which new rows go. */
  slot = 0
  /** How far the clock that inboxes go by is ahead, in milliseconds. */
  clockAheadMs = 0
  /** Whether the rings of outbox and inbox are looked after: else nobody ever has a leaf for himself. */
  outboxIsReclaimed = false
  inboxIsReclaimed = false
  #durableFloor = 0
  #parkedNumber = 0
  #position = 0
  #durablePosition = 0
  #unflushed: LostInCrash[] = []
  /** Rises with every crash: sessions of an earlier life are gone. */
  life = 0

  constructor(lanes = 1) {
    const transaction = this.begin()
    for (let lane = 0; lane < lanes; lane++) this.cursors.put(String(lane), newLane, transaction)
    transaction.committed = true
  }

  begin(): ModelTransaction {
    return new ModelTransaction()
  }

  /** Gives the transaction an id, which is what its first change does. */
  write(transaction: ModelTransaction, undo: () => void): number {
    transaction.xid ??= this.transactions.begin()
    transaction.undo.push(undo)
    return transaction.xid
  }

  /** What the defaults of a new row say, before its leaf is locked: whatever comes between does not change them. */
  defaults(transaction: ModelTransaction, now = 0): Pick<OutboxRow, 'position' | 'xid' | 'slot' | 'createdAt'> {
    const xid = this.write(transaction, () => undefined)
    return { position: ++this.#position, xid, slot: this.slot, createdAt: now }
  }

  insert(
    transaction: ModelTransaction,
    message: Pick<OutboxRow, 'number' | 'topic' | 'key'>,
    defaults = this.defaults(transaction),
  ): OutboxRow {
    const row: OutboxRow = { ...message, ...defaults }
    this.write(transaction, () => this.#remove(row))
    this.outbox.push(row)
    return row
  }

  /** Puts a message where it waits until it is due; answers its number there. */
  schedule(transaction: ModelTransaction, row: ScheduledRow): number {
    const number = ++this.#scheduledNumber
    this.write(transaction, this.scheduled.put(String(number), row, transaction))
    return number
  }

  /** Whether anything was ever scheduled. */
  get schedules(): boolean {
    return this.#scheduledNumber > 0
  }

  /** Leaves only those rows; a rollback brings the others back. */
  replaceOutbox(transaction: ModelTransaction, stays: (row: OutboxRow) => boolean): void {
    const gone = this.outbox.filter((row) => !stays(row))
    const left = this.outbox.filter(stays)
    this.outbox.splice(0, this.outbox.length, ...left)
    this.write(transaction, () => this.outbox.push(...gone))
  }

  /** Copies a row to the side track of a lane, unless it is there. */
  park(transaction: ModelTransaction, lane: number, row: OutboxRow, reason: string): boolean {
    const there = this.parked.entries(transaction).some(([, parked]) => parked.row.position === row.position)
    if (there) return false
    this.write(transaction, this.parked.put(String(++this.#parkedNumber), { lane, row, reason }, transaction))
    return true
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
    this.#durableFloor = this.inbox.floor
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
    this.inbox.floor = this.#durableFloor
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
