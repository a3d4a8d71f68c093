import type { LockMode } from './locks.js'
import type { ModelDatabase, ModelTransaction } from './modelDatabase.js'
import { sqlError } from './statementFaults.js'

/** What a statement answers: rows as text or as objects, or rows in binary format. */
export interface Answer {
  readonly rows: readonly (readonly (string | null)[] | object)[]
  readonly wire?: readonly Buffer[]
  /** Of COMMIT: what became of it. */
  readonly command?: string
  /** Of what is worth a line in the story. */
  readonly told?: string
}

export interface StatementContext {
  readonly database: ModelDatabase
  readonly transaction: ModelTransaction
  readonly text: string
  readonly values: readonly unknown[]
  /** Milliseconds of the server's clock when the statement began. */
  readonly now: number
  /** The same as it goes on. Default: it stands still. */
  readonly clock?: () => number
  /** Plans something at the server. */
  readonly after?: (ms: number, run: () => void) => void
}

/** `clock_timestamp()`: how late it is, however long the statement has waited. */
export function clockTimestamp({ clock, now }: StatementContext): number {
  return clock?.() ?? now
}

/** A statement that works on several rows gives others time between them. A backend that was ended does nothing more. */
export function aMoment({ transaction, after }: StatementContext, ms: number): Promise<void> {
  if (after === undefined || ms === 0) return Promise.resolve()
  return new Promise((resolve) =>
    after(ms, () => {
      if (!transaction.ended) resolve()
    }),
  )
}

/** Takes the lock of a table, and waits for it as long as the transaction's lock_timeout lets it (55P03). */
export async function lockTable(context: StatementContext, name: string, mode: LockMode): Promise<void> {
  const { database, transaction, after } = context
  const turn = database.locks.take(name, transaction, mode)
  if (turn === null) return
  const limit = transaction.lockTimeoutMs
  if (limit === null || after === undefined) return turn
  await Promise.race([
    turn,
    new Promise((_, reject) =>
      after(limit, () => database.locks.giveUp(transaction) && reject(sqlError('lockTimeout'))),
    ),
  ])
}

/** Runs a statement in its transaction, and waits for the locks that it needs. */
export type Run = (context: StatementContext) => Promise<Answer> | Answer

/** Statements by a part of their text; the first that fits is it. */
export type Known = readonly (readonly [part: string, run: Run])[]

export function runKnown(known: Known, context: StatementContext): Promise<Answer> | Answer {
  const { text } = context
  // Statements are the same few texts again and again.
  const found = foundIn(known)
  let run = found.get(text)
  if (run === undefined) {
    run = known.find(([part]) => text.includes(part))?.[1]
    if (run === undefined) throw new UnknownStatement(text)
    found.set(text, run)
  }
  return run(context)
}

const foundBefore = new WeakMap<Known, Map<string, Run>>()

function foundIn(known: Known): Map<string, Run> {
  const found = foundBefore.get(known) ?? new Map<string, Run>()
  foundBefore.set(known, found)
  return found
}

/** The code has a statement that the model has to learn. */
export class UnknownStatement extends Error {
  override readonly name = 'UnknownStatement'

  constructor(text: string) {
    super(`the model does not know this statement: ${text.slice(0, 300)}`)
  }
}
