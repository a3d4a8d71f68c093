import type { Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { type RecordRow, recordColumns } from './storedEnvelope.js'

/** A dead letter that is still to be sent to the dead-letter topic. */
export interface PendingCopy extends RecordRow {
  /** Decimal text. */
  readonly number: string
  /** The dead letter's own number, decimal text. */
  readonly deadLetter: string
  /** RFC 3339 in UTC. */
  readonly deadAt: string
  readonly attempts: number
  /** How often it was sent in vain. */
  readonly failures: number
  readonly reason: string
  readonly errorName: string | null
  readonly errorCode: string | null
}

/** How long copies that one consumer is sending are left alone by the others, should its process end. */
const claimMs = 60_000
/** Each may be as large as a message. */
const mostAtOnce = 20

/**
 * A statement that stores dead letters by `insert` (an INSERT without RETURNING), and puts their copies down in the same
 * statement where `copied` is set. `before`: data-modifying CTEs that `insert` reads. Answers the numbers stored.
 */
export function storing(tables: Tables, before: string, insert: string, copied: boolean): string {
  if (!copied) return `${before === '' ? '' : `WITH ${before}`} ${insert} RETURNING number`
  return `WITH ${before === '' ? '' : `${before},`} stored AS (${insert} RETURNING *)
     INSERT INTO ${tables.deadLetterCopy} (
       dead_letter, dead_at, record_time, record_offset, partition, attempts, consumer, topic, reason, error_name,
       error_code, key, headers, payload
     )
     SELECT number, dead_at, record_time, record_offset, partition, attempts, consumer, topic, reason, error ->> 'name',
       error ->> 'code', key, headers, payload
     FROM stored ORDER BY number
     RETURNING dead_letter AS number`
}

/** Takes copies that are due, oldest first, for this consumer to send. In a transaction of its own. */
export async function claimCopies(tx: Tx, tables: Tables, group: string): Promise<PendingCopy[]> {
  const { rows } = await tx.query<PendingCopy>(
    `WITH claimed AS (
       UPDATE ${tables.deadLetterCopy} AS copy
       SET due_at = clock_timestamp() + $2::text::double precision * interval '1 millisecond'
       WHERE number IN (
         SELECT number FROM ${tables.deadLetterCopy} WHERE consumer = $1::text AND due_at <= statement_timestamp()
         ORDER BY due_at, number LIMIT ${mostAtOnce} FOR UPDATE SKIP LOCKED
       )
       RETURNING *
     )
     SELECT number::text AS number, dead_letter::text AS "deadLetter",
       to_char(dead_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "deadAt",
       attempts, failures, reason, error_name AS "errorName", error_code AS "errorCode", ${recordColumns}
     FROM claimed ORDER BY claimed.number`,
    [group, String(claimMs)],
  )
  return rows
}

/** The transport has acknowledged them. */
export async function deleteCopies(tx: Tx, tables: Tables, numbers: readonly string[]): Promise<void> {
  await tx.query(
    `DELETE FROM ${tables.deadLetterCopy} AS copy USING json_array_elements_text($1::text::json) AS sent
     WHERE copy.number = sent::bigint`,
    [JSON.stringify(numbers)],
  )
}

/** Those that were not acknowledged, each with its pause in milliseconds. */
export async function putOffCopies(
  tx: Tx,
  tables: Tables,
  pauses: readonly (readonly [number: string, pauseMs: number])[],
): Promise<void> {
  await tx.query(
    `UPDATE ${tables.deadLetterCopy} AS copy
     SET failures = failures + 1,
       due_at = clock_timestamp() + (pair ->> 1)::double precision * interval '1 millisecond'
     FROM json_array_elements($1::text::json) AS pair
     WHERE copy.number = (pair ->> 0)::bigint`,
    [JSON.stringify(pauses)],
  )
}
