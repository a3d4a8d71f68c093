import type { CommittedEmit } from '@oncebox/testkit'
import type { ModelDatabase, ModelTransaction } from './modelDatabase.js'
import { idOf } from './outboxRow.js'
import { leafLock } from './ringStatements.js'
import type { WriterPlan, WriterStep } from './schedule.js'
import type { Timeline } from './timeline.js'

/** Steps of one writer are numbered below this. */
export const mostSteps = 100

export interface WriterParts {
  readonly database: ModelDatabase
  readonly timeline: Timeline
  readonly tell: (what: string) => void
}

/** A message as its writer left it, with times in virtual milliseconds. */
export interface WrittenMessage extends CommittedEmit {
  /** Null: it went into the outbox at once. */
  readonly dueAt: number | null
  /** Rises in the order in which messages were written. */
  readonly place: number
  readonly writtenAt: number
  /** Infinite, until its transaction has committed. */
  readonly committedAt: number
}

/** The transactions that write: what they committed, and in which turns they held the rows. */
export class Writers {
  readonly committed: WrittenMessage[] = []
  readonly rolledBack: string[] = []
  /** Writers that have not come to their end. */
  open = 0
  readonly #parts: WriterParts
  readonly #running = new Set<Writer>()
  readonly #turns = new Map<string, number>()
  #places = 0

  constructor(parts: WriterParts) {
    this.#parts = parts
  }

  start(plan: WriterPlan): void {
    this.open++
    this.#parts.timeline.after(plan.at, () => this.#begin(new Writer(plan, this.#parts.database.begin())))
  }

  /** Transactions that a crash ends; those that are prepared survive it. */
  crash(): ModelTransaction[] {
    const ended = [...this.#running].filter(({ prepared }) => !prepared)
    for (const writer of ended) this.#over(writer, 'is rolled back by the crash')
    return ended.map(({ transaction }) => transaction)
  }

  #begin(writer: Writer): void {
    this.#running.add(writer)
    this.#step(writer, 0)
  }

  #step(writer: Writer, at: number): void {
    const { plan } = writer
    const step = plan.steps[at]
    if (step === undefined) {
      this.#later(writer, plan.pauseMs, () => this.#end(writer))
      return
    }
    this.#later(writer, step.pauseMs, () => {
      const { database } = this.#parts
      const next = (): void => {
        if (!writer.over) this.#emit(writer, step, plan.id * mostSteps + at, () => this.#step(writer, at + 1))
      }
      // Rows are taken in the order of their names, as whoever avoids deadlocks does.
      if (step.key !== null && writer.highest > step.key) {
        this.#step(writer, at + 1)
        return
      }
      writer.highest = step.key ?? writer.highest
      const waiting = step.key === null ? null : database.locks.take(`row ${step.key}`, writer.transaction)
      if (waiting === null) {
        next()
      } else {
        this.#parts.tell(`t${plan.id} waits for row ${step.key}`)
        void waiting.then(next)
      }
    })
  }

  #emit(writer: Writer, step: WriterStep, number: number, done: () => void): void {
    const { database, timeline, tell } = this.#parts
    const { topic, key, lateMs, silent, dueAt } = step
    if (silent) {
      database.write(writer.transaction, () => undefined)
      tell(`t${writer.plan.id} writes something (xid ${writer.transaction.xid})`)
      done()
      return
    }
    const place = `${topic} ${key}`
    const turn = (this.#turns.get(place) ?? 0) + 1
    this.#turns.set(place, turn)
    const now = timeline.now
    const written = { id: idOf(number), topic, key, turn, place: ++this.#places, writtenAt: now, committedAt: Infinity }
    if (dueAt !== null && dueAt > now) {
      database.schedule(writer.transaction, { number, topic, key, dueAt })
      writer.emits.push({ ...written, dueAt })
      tell(`t${writer.plan.id} schedules m${number} to ${topic} with key ${key} for ${dueAt} ms`)
      done()
      return
    }
    const defaults = database.defaults(writer.transaction, now)
    const insert = (): void => {
      if (writer.over) return
      const row = database.insert(writer.transaction, { number, topic, key }, defaults)
      writer.emits.push({ ...written, dueAt: null })
      tell(`t${writer.plan.id} emits m${number} to ${topic} with key ${key} (xid ${row.xid}, position ${row.position})`)
      done()
    }
    const lock = (): void => {
      const turn = database.locks.take(leafLock(defaults.slot), writer.transaction, 'row exclusive')
      if (turn === null) insert()
      else void turn.then(insert)
    }
    if (lateMs === 0) lock()
    else this.#later(writer, lateMs, lock)
  }

  #end(writer: Writer): void {
    const { database } = this.#parts
    const { end, id, pauseMs } = writer.plan
    if (end === 'commit') {
      this.#commit(writer)
    } else if (end === 'rollback' || end === 'lostConnection') {
      database.rollback(writer.transaction)
      this.#over(writer, end === 'rollback' ? 'rolls back' : 'loses its connection')
    } else {
      database.prepare(writer.transaction)
      writer.prepared = true
      this.#parts.tell(`t${id} is prepared`)
      this.#later(writer, pauseMs, () => {
        if (end === 'prepare') {
          this.#commit(writer)
        } else {
          database.rollback(writer.transaction)
          this.#over(writer, 'is rolled back after it was prepared')
        }
      })
    }
  }

  #commit(writer: Writer): void {
    this.#parts.database.commit(writer.transaction)
    this.#over(writer, 'commits', true)
  }

  #over(writer: Writer, how: string, committed = false): void {
    if (writer.over) return
    writer.over = true
    this.#running.delete(writer)
    this.open--
    const committedAt = this.#parts.timeline.now
    if (committed) this.committed.push(...writer.emits.map((emit) => ({ ...emit, committedAt })))
    else this.rolledBack.push(...writer.emits.map(({ id }) => id))
    this.#parts.tell(`t${writer.plan.id} ${how}`)
  }

  #later(writer: Writer, ms: number, run: () => void): void {
    this.#parts.timeline.after(ms, () => {
      if (!writer.over) run()
    })
  }
}

class Writer {
  readonly plan: WriterPlan
  readonly transaction: ModelTransaction
  readonly emits: WrittenMessage[] = []
  highest = ''
  prepared = false
  over = false

  constructor(plan: WriterPlan, transaction: ModelTransaction) {
    this.plan = plan
    this.transaction = transaction
  }
}
