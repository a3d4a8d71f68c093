import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, type Tables, tables } from '@oncebox/schema'
import { type DeadLetterFilter, whereOf } from './deadLetterFilter.js'
import { isNumber } from './deadLetters.js'

/** Which dead letters, who decides, and why. */
export interface ActOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** Which ones: those for which everything given here is true. */
  readonly filter: DeadLetterFilter
  /** Who decides: kept with the decision. */
  readonly by: string
  /** Why. A discard needs one. Default: none. */
  readonly why?: string
  /** At most so many in this transaction, the oldest first, 1 to 10,000. Default 1,000: call again, with `after`, until 0. */
  readonly limit?: number
  /**
   * Only those with a larger number: the last of the call before, so that one which fails again meanwhile is not taken twice.
   * Default: from the oldest on.
   */
  readonly after?: string
}

/**
 * Asks for a retry: a running consumer of the group handles the message once more, past inbox and horizon, then those
 * that wait behind it, in order. One that was asked for and has not come yet is left as it is. Answers the numbers of
 * those newly asked for. Writes on `tx`, which the caller commits.
 *
 * @throws OnceboxError `INVALID_SETTING` when `by` is empty, or for the limit or the filter.
 */
export async function retryDeadLetters(tx: Tx, options: ActOptions): Promise<string[]> {
  const { by, why, schema, limit, where, values } = checked(options)
  const { rows } = await tx.query<{ number: string }>(
    `WITH chosen AS MATERIALIZED (
       SELECT number FROM ${schema.deadLetter} AS letter
       WHERE ${where} AND retry_at IS NULL ORDER BY letter.number LIMIT ${limit} FOR UPDATE
     ), asked AS (
       UPDATE ${schema.deadLetter} AS letter
       SET retry_at = clock_timestamp(), retry_by = $${values.length + 1}::text, retry_tries = 0
       FROM chosen WHERE letter.number = chosen.number
       RETURNING letter.*
     ), noted AS (
       ${noting(schema, 'retry', values.length, 'asked')}
     )
     SELECT number::text AS number FROM asked ORDER BY asked.number`,
    [...values, by, why],
  )
  return rows.map(({ number }) => number)
}

/**
 * Gives messages up for good: they are deleted, and those that wait behind them are handled, in order, by a running
 * consumer of the group. Answers their numbers. Writes on `tx`, which the caller commits; waits for a consumer that
 * handles one of them just now.
 *
 * @throws OnceboxError `INVALID_SETTING` when `by` or `why` is empty, or for the limit or the filter.
 */
export async function discardDeadLetters(tx: Tx, options: ActOptions & { readonly why: string }): Promise<string[]> {
  const { by, why, schema, limit, where, values } = checked(options)
  if ((why ?? '').trim() === '') throw invalid('A discard needs a reason')
  // Head rows first, in one order: consumers lock them before anything else of a key.
  const chosen = await tx.query<{ number: string }>(
    `SELECT number::text AS number FROM ${schema.deadLetter} AS letter WHERE ${where} ORDER BY letter.number LIMIT ${limit}`,
    values,
  )
  const numbers = JSON.stringify(chosen.rows.map(({ number }) => number))
  await tx.query(
    `SELECT head.topic FROM ${schema.parkedKey} AS head
     WHERE (head.consumer, head.topic, head.key_digest) IN (
       SELECT consumer, topic, sha256(key) FROM ${schema.deadLetter} AS letter
       WHERE letter.parks AND letter.number IN (SELECT each::bigint FROM json_array_elements_text($1::text::json) AS each)
     )
     ORDER BY head.consumer, head.topic COLLATE "C", head.key_digest FOR UPDATE`,
    [numbers],
  )
  const { rows } = await tx.query<{ number: string; consumer: string; topic: string; digest: string | null }>(
    `WITH found AS MATERIALIZED (
       SELECT number FROM ${schema.deadLetter} AS letter
       WHERE letter.number IN (SELECT each::bigint FROM json_array_elements_text($1::text::json) AS each)
       ORDER BY letter.number FOR UPDATE
     ), gone AS (
       DELETE FROM ${schema.deadLetter} AS letter USING found WHERE letter.number = found.number RETURNING letter.*
     ), noted AS (
       ${noting(schema, 'discard', 1, 'gone')}
     )
     SELECT number::text AS number, consumer, topic, CASE WHEN parks THEN encode(sha256(key), 'hex') END AS digest
     FROM gone ORDER BY gone.number`,
    [numbers, by, why],
  )
  const heads = rows.filter(({ digest }) => digest !== null)
  if (heads.length > 0) {
    await releaseHeads(
      tx,
      schema,
      JSON.stringify(heads.map(({ consumer, topic, digest }) => [consumer, topic, digest])),
    )
  }
  return rows.map(({ number }) => number)
}

/** With the head rows locked: those with messages behind them are due at once, the others go. */
async function releaseHeads(tx: Tx, schema: Tables, heads: string): Promise<void> {
  const which = `(head.consumer, head.topic, head.key_digest) IN (
    SELECT each ->> 0, each ->> 1, decode(each ->> 2, 'hex') FROM json_array_elements($1::text::json) AS each
  )`
  await tx.query(
    `DELETE FROM ${schema.parkedKey} AS head WHERE ${which} AND NOT EXISTS (
       SELECT FROM ${schema.parkedDelivery} AS parked WHERE parked.consumer = head.consumer
         AND parked.topic = head.topic AND parked.key_digest = head.key_digest
     )`,
    [heads],
  )
  await tx.query(`UPDATE ${schema.parkedKey} AS head SET due_at = clock_timestamp() WHERE ${which}`, [heads])
}

/** Writes down what is done with the rows of `from`; who and why are the two parameters after `parameters`. */
function noting(schema: Tables, action: 'retry' | 'discard', parameters: number, from: string): string {
  return `INSERT INTO ${schema.deadLetterAction} (
         dead_letter, action, done_by, why, consumer, source, message_id, topic, type, reason
       )
       SELECT number, '${action}', $${parameters + 1}::text, $${parameters + 2}::text,
         consumer, source, message_id, topic, type, reason FROM ${from}`
}

function checked({ schema, filter, by, why, limit = 1_000, after = '0' }: ActOptions) {
  if (by.trim() === '') throw invalid('Nobody is named who decides about the dead letters')
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
    throw invalid('The limit of dead letters is not a whole number from 1 to 10000')
  }
  if (!isNumber(after)) throw invalid('The number of the dead letter to go on after is no whole number')
  const { where, values } = whereOf(filter)
  return {
    by,
    why: why ?? null,
    limit,
    schema: tables(schema ?? defaultSchema),
    where: `${where} AND letter.number > $${values.length + 1}::text::bigint`,
    values: [...values, after],
  }
}

function invalid(what: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what)
}
