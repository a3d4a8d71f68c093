import type { ErrorCode, Tx } from '@oncebox/core'
import { consumerDied, storedErrorOf } from './attempts.js'
import { type Failure, failureOf, newTrace } from './failure.js'
import { causeOf } from './fate.js'
import { decided } from './outcome.js'
import { lockHead, releaseHead } from './parkedHead.js'
import { AlreadySettled, beginRedrive, claimMs, itemOfRow, type RedriveParts, runStored, settle } from './redriveRun.js'
import { type RecordRow, recordColumns } from './storedEnvelope.js'

const pauseMs = 1_000

interface Letter extends RecordRow {
  /** Decimal text. */
  readonly number: string
  readonly attempts: number
  readonly tries: number
  readonly parks: boolean
  /** SHA-256 of the key, in hex. */
  readonly digest: string | null
}

/**
 * Carries out one retry that an operator asked for: past inbox and horizon, once, because the dead letter is locked and
 * goes with the effect. The later messages of its key come after it. False: none is due.
 */
export async function redriveLetter<Trx>(parts: RedriveParts<Trx>): Promise<boolean> {
  const { settings, report } = parts
  const letter = await claimLetter(parts)
  if (letter === null) return false
  const item = itemOfRow(settings, letter, 0)
  if (letter.tries > settings.attempts) {
    const error = consumerDied()
    if (await failAgain(parts, letter.number, error.code, error)) report.buried(item, error.code, error)
    return true
  }
  let failure = await tryLetter(parts, letter)
  // Once more, as a message of a batch would be: then it is known that its effect is there.
  if (isRepeated(failure)) failure = await tryLetter(parts, letter)
  if (failure === null) {
    report.redriven(item)
    return true
  }
  if (failure === 'settled') return true
  const outcome = failure.kind === 'suspects' ? decided(failure) : null
  if (outcome?.kind === 'skip') {
    await settings.db.transaction(({ tx }) => removeLetter(tx, parts, letter, outcome.message))
    return true
  }
  if (failure.kind === 'suspects' && outcome?.kind !== 'retryLater') {
    const { error, reason } =
      item.verdict.kind === 'dead'
        ? item.verdict
        : outcome === null
          ? causeOf(failure, item)
          : { error: outcome, reason: 'HANDLER_GAVE_UP' as const }
    if (await failAgain(parts, letter.number, reason, error)) report.buried(item, reason, error)
    return true
  }
  const laterMs = outcome === null ? Math.round(pauseMs * (0.5 + settings.random())) : outcome.afterMs
  await settings.db.transaction(({ tx }) => putOff(tx, parts, letter.number, laterMs))
  return true
}

function isRepeated(failure: Failure | 'settled' | null): boolean {
  return failure !== null && failure !== 'settled' && failure.kind === 'suspects' && failure.repeated !== null
}

async function claimLetter<Trx>({ settings, tables }: RedriveParts<Trx>): Promise<Letter | null> {
  return settings.db.transaction(async ({ tx }) => {
    const { rows } = await tx.query<Letter>(
      `UPDATE ${tables.deadLetter} AS letter
       SET retry_tries = retry_tries + 1, retry_at = clock_timestamp() + $2::text::double precision * interval '1 millisecond'
       WHERE letter.number = (
         SELECT number FROM ${tables.deadLetter} WHERE consumer = $1::text AND retry_at <= statement_timestamp()
         ORDER BY retry_at, number LIMIT 1 FOR UPDATE SKIP LOCKED
       )
       RETURNING number::text AS number, attempts, retry_tries AS tries, parks,
         encode(sha256(key), 'hex') AS digest, ${recordColumns}`,
      [settings.group, String(claimMs)],
    )
    return rows[0] ?? null
  })
}

async function tryLetter<Trx>(parts: RedriveParts<Trx>, letter: Letter): Promise<Failure | 'settled' | null> {
  const trace = newTrace()
  try {
    await parts.settings.db.transaction(async (scope) => {
      const transaction = await beginRedrive(scope.tx, parts.settings.handlerIdleMs)
      await lockLetter(scope.tx, parts, letter)
      await runStored(scope, parts, [itemOfRow(parts.settings, letter, 0)], letter.attempts + 1, trace)
      await removeLetter(scope.tx, parts, letter, null)
      await settle(scope, parts, transaction, trace)
    })
    return null
  } catch (error) {
    if (error instanceof AlreadySettled) return 'settled'
    return failureOf(error, trace, parts.lost.aborted, parts.settings.duplicateConstraints)
  }
}

/** The key's head row first, then the dead letter: everybody locks in this order. */
async function lockLetter<Trx>(tx: Tx, { settings, tables }: RedriveParts<Trx>, letter: Letter): Promise<void> {
  const { parks, topic, digest, number } = letter
  if (parks && digest !== null) await lockHead(tx, tables, settings.group, { topic, digest })
  const { rows } = await tx.query(
    `SELECT number::text AS number FROM ${tables.deadLetter} WHERE number = $1::text::bigint AND retry_at IS NOT NULL FOR UPDATE`,
    [number],
  )
  if (rows.length === 0) throw new AlreadySettled()
}

/** With both rows locked, or locking them: the dead letter is handled, and its followers are released. */
async function removeLetter<Trx>(
  tx: Tx,
  { settings, tables }: RedriveParts<Trx>,
  letter: Letter,
  why: string | null,
): Promise<void> {
  const { parks, topic, digest, number } = letter
  const key = parks && digest !== null ? { topic, digest } : null
  if (key !== null) await lockHead(tx, tables, settings.group, key)
  const { rows } = await tx.query(
    `WITH handled AS (
       DELETE FROM ${tables.deadLetter} WHERE number = $1::text::bigint AND retry_at IS NOT NULL RETURNING *
     )
     INSERT INTO ${tables.deadLetterAction} (
       dead_letter, action, done_by, why, consumer, source, message_id, topic, type, reason
     )
     SELECT number, 'retried', coalesce(retry_by, ''), $2::text, consumer, source, message_id, topic, type, reason
     FROM handled
     RETURNING number`,
    [number, why],
  )
  if (rows.length === 0) throw new AlreadySettled()
  if (key !== null) await releaseHead(tx, tables, settings.group, key)
}

/** It stays a dead letter, in its place. False: somebody has discarded it meanwhile. */
async function failAgain<Trx>(
  { settings, tables }: RedriveParts<Trx>,
  number: string,
  reason: ErrorCode,
  error: unknown,
): Promise<boolean> {
  return settings.db.transaction(async ({ tx }) => {
    const { rows } = await tx.query(
      `WITH failed AS (
         UPDATE ${tables.deadLetter} AS letter
         SET retry_at = NULL, retry_tries = 0, attempts = attempts + 1, reason = $2::text, error = $3::text::jsonb,
           first_failed_at = coalesce(first_failed_at, clock_timestamp()),
           history = CASE WHEN jsonb_array_length(history) >= 20 THEN history - 0 ELSE history END
             || jsonb_build_array(jsonb_build_object('at', clock_timestamp(),
               'name', $3::text::jsonb -> 'name', 'code', $3::text::jsonb -> 'code'))
         WHERE number = $1::text::bigint AND retry_at IS NOT NULL
         RETURNING letter.*
       )
       INSERT INTO ${tables.deadLetterAction} (
         dead_letter, action, done_by, consumer, source, message_id, topic, type, reason
       )
       SELECT number, 'failed', coalesce(retry_by, ''), consumer, source, message_id, topic, type, reason FROM failed
       RETURNING number`,
      [number, reason, JSON.stringify(storedErrorOf(error))],
    )
    return rows.length > 0
  })
}

async function putOff<Trx>(tx: Tx, { tables }: RedriveParts<Trx>, number: string, laterMs: number): Promise<void> {
  await tx.query(
    `UPDATE ${tables.deadLetter}
     SET retry_tries = greatest(0, retry_tries - 1),
       retry_at = clock_timestamp() + $2::text::double precision * interval '1 millisecond'
     WHERE number = $1::text::bigint AND retry_at IS NOT NULL`,
    [number, String(laterMs)],
  )
}
