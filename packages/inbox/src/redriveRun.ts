import { OnceboxError, type TransactionScope, type Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { decodeItem, type Item } from './decode.js'
import type { SpanTrace } from './failure.js'
import { idleLimit } from './idleLimit.js'
import { finish } from './offsets.js'
import type { Report } from './report.js'
import { type Runnable, runHandlers } from './runHandlers.js'
import type { Settings } from './settings.js'
import { type RecordRow, recordOfRow } from './storedEnvelope.js'

/** What the redrive of one consumer goes by. */
export interface RedriveParts<Trx> {
  readonly settings: Settings<Trx>
  readonly tables: Tables
  readonly report: Report
  /** Aborts when the stop deadline has passed: nothing more is committed. */
  readonly lost: AbortSignal
  /** Kept from step to step: most messages in a transaction; conflicts make it smaller. */
  most: number
}

/** Another consumer has settled it meanwhile: nothing to do. */
export class AlreadySettled extends Error {
  override readonly name = 'AlreadySettled'
}

/** How long a message that is being redriven is left alone by other consumers, should its process end. */
export const claimMs = 10_000

/** A stored message as an item; a missing id does not matter, for its row is locked. */
export function itemOfRow<Trx>(settings: Settings<Trx>, row: RecordRow, index: number): Item {
  return decodeItem(recordOfRow(row), index, { ...settings, withoutId: true })
}

/** Of stored messages those, from the first on, that can run in one transaction: the first always, if only to fail. */
export function runnableFront(items: readonly Item[]): readonly Item[] {
  const end = items.findIndex(({ verdict }) => verdict.kind !== 'run')
  return items.slice(0, end === -1 ? items.length : Math.max(1, end))
}

/** Begins a redrive's transaction; answers its number, for `settle`. `idleMs`: its session may sit idle for so long. */
export async function beginRedrive(tx: Tx, idleMs: number): Promise<string> {
  const text = `SELECT pg_current_xact_id()::text AS transaction, ${idleLimit('$1')}`
  const { rows } = await tx.query<{ transaction: string }>(text, [String(idleMs)])
  return rows[0]?.transaction ?? ''
}

/** Runs the handlers of stored messages on a transaction that holds their rows, past inbox and horizon. */
export async function runStored<Trx>(
  scope: TransactionScope<Trx>,
  parts: RedriveParts<Trx>,
  items: readonly Item[],
  attempt: number,
  trace: SpanTrace,
): Promise<void> {
  const runnables: Runnable[] = []
  for (const item of items) {
    if (item.verdict.kind === 'run') {
      runnables.push({ item, message: item.verdict.message, attempt: runnables.length === 0 ? attempt : 1 })
    } else {
      trace.stage = 'message'
      trace.current = [item.index]
      throw errorOf(item)
    }
  }
  const { group, handlers, subscriber } = parts.settings
  await runHandlers(scope, runnables, { group, transport: subscriber.name, handlers, signal: parts.lost, trace })
  trace.stage = 'finish'
}

/** The last statement before COMMIT; see `finish`. */
export async function settle<Trx>(
  scope: TransactionScope<Trx>,
  parts: RedriveParts<Trx>,
  transaction: string,
  trace: SpanTrace,
): Promise<void> {
  await finish(scope.tx, parts.tables, parts.settings.group, transaction, null)
  parts.lost.throwIfAborted()
  trace.stage = 'commit'
}

function errorOf({ verdict }: Item): unknown {
  switch (verdict.kind) {
    case 'dead':
      return verdict.error
    case 'block':
      return new OnceboxError(verdict.reason, 'The message cannot be handled by this consumer')
    default:
      return new OnceboxError('UNKNOWN_MESSAGE_TYPE', 'The consumer has no handler for this type')
  }
}
