import type { ErrorCode } from '@oncebox/core'
import { forgetAttempts, recordAttempt, startAttempt, storedErrorOf, takeBackAttempt } from './attempts.js'
import { backoffMs } from './backoff.js'
import type { Item } from './decode.js'
import { type Failure, failureOf, newTrace } from './failure.js'
import { causeOf } from './fate.js'
import { decided } from './outcome.js'
import { buryParked, deleteParked, firstParked, type ParkedRow, readParked } from './parkedDeliveries.js'
import { lockHead, type ParkedKey, releaseHead, setDue } from './parkedHead.js'
import { parksKey, policyOf } from './poison.js'
import {
  AlreadySettled,
  beginRedrive,
  claimMs,
  itemOfRow,
  type RedriveParts,
  runnableFront,
  runStored,
  settle,
} from './redriveRun.js'

const pauseMs = 1_000
const mostMessages = 50

interface Claim {
  readonly key: ParkedKey
  readonly first: ParkedRow
  /** The number of the attempt that begins; null when the first one has none left. */
  readonly attempt: number | null
}

/**
 * Takes a key that is due and handles its messages in order, as many in a transaction as go well. The attempt of the
 * first is counted before it begins, so that one that ends its process is given up in the end. False: none is due.
 */
export async function redriveKey<Trx>(parts: RedriveParts<Trx>): Promise<boolean> {
  const { settings, report } = parts
  const claim = await claimKey(parts)
  if (claim === 'none') return false
  if (claim === 'released') return true
  const { key, first, attempt } = claim
  const item = itemOfRow(settings, first.record, 0)
  if (attempt === null) {
    await giveUp(parts, key, first, item, null)
    return true
  }
  // What has failed before goes alone: whatever goes wrong then is its own doing.
  let most = attempt > 1 ? 1 : parts.most
  let repeating = false
  for (;;) {
    const tried = await tryKey(parts, claim, most, attempt)
    if (tried.failure === null) {
      for (const each of tried.items) report.redriven(each)
      parts.most = Math.min(mostMessages, parts.most * 2)
      return true
    }
    const { failure } = tried
    const culprit = failure.kind === 'suspects' && failure.suspects.length === 1 ? failure.suspects[0] : undefined
    if (most > 1 && failure.kind === 'suspects' && culprit !== 0) {
      most = culprit ?? Math.max(1, (failure.suspects[0] as number) || failure.suspects.length >> 1)
      continue
    }
    if (failure.kind === 'suspects' && failure.repeated !== null && !repeating) {
      most = 1
      repeating = true
      continue
    }
    if (failure.kind === 'conflict') parts.most = Math.max(1, parts.most >> 1)
    await settleFailure(parts, claim, item, failure)
    return true
  }
}

async function claimKey<Trx>({ settings, tables }: RedriveParts<Trx>): Promise<Claim | 'none' | 'released'> {
  const { db, group } = settings
  return db.transaction(async ({ tx }) => {
    const { rows } = await tx.query<{ topic: string; digest: string }>(
      `SELECT topic, encode(key_digest, 'hex') AS digest FROM ${tables.parkedKey}
       WHERE consumer = $1::text AND due_at <= statement_timestamp()
       ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
      [group],
    )
    const key = rows[0]
    if (key === undefined) return 'none'
    const first = await firstParked(tx, tables, group, key)
    if (first === null) {
      await releaseHead(tx, tables, group, key)
      return 'released'
    }
    const limit = policyOf(settings.poison, first.type) === 'block' ? null : settings.attempts
    const attempt = await startAttempt(tx, tables, group, first, limit)
    await setDue(tx, tables, group, key, claimMs)
    return { key, first, attempt }
  })
}

async function tryKey<Trx>(
  parts: RedriveParts<Trx>,
  { key, first }: Claim,
  most: number,
  attempt: number,
): Promise<{ readonly failure: Failure | null; readonly items: readonly Item[] }> {
  const { settings, tables, lost } = parts
  const { db, group } = settings
  const trace = newTrace()
  let items: readonly Item[] = []
  try {
    await db.transaction(async (scope) => {
      const { tx } = scope
      const transaction = await beginRedrive(tx, settings.handlerIdleMs)
      const head = await lockHead(tx, tables, group, key)
      const waiting = await readParked(tx, tables, group, key, most)
      if (head?.due !== true || waiting[0]?.number !== first.number) throw new AlreadySettled()
      items = runnableFront(waiting.map((row, index) => itemOfRow(settings, row.record, index)))
      await runStored(scope, parts, items, attempt, trace)
      const done = waiting.slice(0, items.length)
      await deleteParked(tx, tables, done)
      await forgetAttempts(tx, tables, group, done)
      await releaseHead(tx, tables, group, key)
      await settle(scope, parts, transaction, trace)
    })
    return { failure: null, items }
  } catch (error) {
    if (error instanceof AlreadySettled) return { failure: null, items: [] }
    return { failure: failureOf(error, trace, lost.aborted, settings.duplicateConstraints), items: [] }
  }
}

/** The first message failed by itself, or nothing was anybody's fault. */
async function settleFailure<Trx>(
  parts: RedriveParts<Trx>,
  { key, first }: Claim,
  item: Item,
  failure: Failure,
): Promise<void> {
  const { settings, tables, report } = parts
  const { db, group, backoff, random } = settings
  if (item.verdict.kind === 'dead') return giveUp(parts, key, first, item, item.verdict)
  const outcome = failure.kind === 'suspects' ? decided(failure) : null
  if (failure.kind === 'suspects' && outcome === null) {
    const { error, reason } = causeOf(failure, item)
    const policy = policyOf(settings.poison, first.type)
    const attempts = await db.transaction(async ({ tx }) => {
      const head = await lockHead(tx, tables, group, key)
      const count = await recordAttempt(tx, tables, group, item.id, storedErrorOf(error), true)
      if (head?.due === true) await setDue(tx, tables, group, key, backoffMs(count, backoff, random()))
      return count
    })
    report.attemptFailed(item, attempts, error)
    if (policy === 'block' || attempts < settings.attempts) return
    return giveUp(parts, key, first, item, { reason, error })
  }
  if (outcome?.kind === 'deadLetter') {
    return giveUp(parts, key, first, item, { reason: 'HANDLER_GAVE_UP', error: outcome })
  }
  const dueInMs = outcome?.kind === 'retryLater' ? outcome.afterMs : Math.round(pauseMs * (0.5 + random()))
  await db.transaction(async ({ tx }) => {
    const head = await lockHead(tx, tables, group, key)
    if (head?.due !== true) return
    await takeBackAttempt(tx, tables, group, first)
    if (outcome?.kind === 'skip') {
      await deleteParked(tx, tables, [first])
      await forgetAttempts(tx, tables, group, [first])
      await releaseHead(tx, tables, group, key)
    } else await setDue(tx, tables, group, key, dueInMs)
  })
  if (outcome?.kind === 'retryLater') report.putOff(item, dueInMs)
}

/** Makes the first message of the key a dead letter. `cause` null: the one its last attempt has left. */
async function giveUp<Trx>(
  parts: RedriveParts<Trx>,
  key: ParkedKey,
  first: ParkedRow,
  item: Item,
  cause: { readonly reason: ErrorCode; readonly error: unknown } | null,
): Promise<void> {
  const { settings, tables, report } = parts
  const { db, group } = settings
  const reason = cause?.reason ?? 'CONSUMER_DIED'
  const parks = parksKey(policyOf(settings.poison, first.type), reason)
  const buried = await db.transaction(async ({ tx }) => {
    const head = await lockHead(tx, tables, group, key)
    if (head?.due !== true) return false
    const error = cause === null ? null : storedErrorOf(cause.error)
    if (!(await buryParked(tx, tables, first.number, reason, error, parks, settings.deadLetterTopic !== null)))
      return false
    await forgetAttempts(tx, tables, group, [first])
    if (parks) await setDue(tx, tables, group, key, null)
    else await releaseHead(tx, tables, group, key)
    return true
  })
  if (buried) report.buried(item, reason, cause?.error)
}
