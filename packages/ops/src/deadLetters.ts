import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, tables } from '@oncebox/schema'
import { type DeadLetterFilter, whereOf } from './deadLetterFilter.js'

/** A dead letter as a list shows it: what it is and why, never its payload, key or headers. */
export interface DeadLetterSummary {
  /** Decimal text; the larger, the later. */
  readonly number: string
  readonly group: string
  readonly topic: string
  readonly partition: number
  /** Decimal text; null on transports that have none. */
  readonly offset: string | null
  readonly type: string
  readonly messageId: string
  readonly source: string
  readonly reason: string
  readonly attempts: number
  /** RFC 3339 in UTC. */
  readonly deadAt: string
  /** Later messages of its key wait behind it. */
  readonly parks: boolean
  /** A retry was asked for and is still to come. */
  readonly retrying: boolean
}

export interface ListOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** Which ones. Default: all. */
  readonly filter?: DeadLetterFilter
  /** 1 to 10,000. Default 100. */
  readonly limit?: number
  /** Only those with a larger number: the last of the page before. Default: from the oldest on. */
  readonly after?: string
}

const rfc3339 = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

const summaryColumns = `number::text AS number, consumer AS "group", topic, partition, record_offset::text AS "offset",
  type, message_id AS "messageId", source, reason, attempts, ${rfc3339('dead_at')} AS "deadAt", parks,
  retry_at IS NOT NULL AS retrying`

/**
 * Dead letters by number, the oldest first. Reads on `tx`.
 *
 * @throws OnceboxError `INVALID_SETTING` for the limit, `after`, a filter or the schema name.
 */
export async function listDeadLetters(tx: Tx, options: ListOptions = {}): Promise<DeadLetterSummary[]> {
  const { deadLetter } = tables(options.schema ?? defaultSchema)
  const limit = options.limit ?? 100
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
    throw new OnceboxError('INVALID_SETTING', 'The limit of dead letters is not a whole number from 1 to 10000')
  }
  const after = options.after ?? '0'
  if (!isNumber(after)) {
    throw new OnceboxError('INVALID_SETTING', 'The number of the dead letter to go on after is no whole number')
  }
  const { where, values } = whereOf(options.filter ?? {})
  const { rows } = await tx.query<DeadLetterSummary>(
    `SELECT ${summaryColumns} FROM ${deadLetter} AS letter
     WHERE ${where} AND letter.number > $${values.length + 1}::text::bigint
     ORDER BY letter.number LIMIT $${values.length + 2}::integer`,
    [...values, after, limit],
  )
  return rows
}

/**
 * How many dead letters the filter finds. Reads on `tx`.
 *
 * @throws OnceboxError `INVALID_SETTING` for the filter or the schema name; the driver's error otherwise.
 */
export async function countDeadLetters(
  tx: Tx,
  options: { readonly schema?: string; readonly filter?: DeadLetterFilter } = {},
): Promise<number> {
  const { where, values } = whereOf(options.filter ?? {})
  const { rows } = await tx.query<{ count: string }>(
    `SELECT count(*)::text AS count FROM ${tables(options.schema ?? defaultSchema).deadLetter} AS letter WHERE ${where}`,
    values,
  )
  return Number(rows[0]?.count ?? 0)
}

/** A dead letter whole. What it carries is the user's data: show it to whoever asked, never log it. */
export interface DeadLetterDetails extends DeadLetterSummary {
  readonly firstFailedAt: string | null
  /** The record's own time: RFC 3339 in UTC. */
  readonly recordTime: string
  readonly contentType: string | null
  /** Base64. */
  readonly key: string | null
  /** Base64. */
  readonly payload: string | null
  /** Values are base64. */
  readonly headers: readonly (readonly [string, string | null])[]
  readonly error: {
    readonly name: string
    readonly message: string
    readonly code?: string
    readonly stack?: string
  } | null
  /** The last twenty failed attempts. */
  readonly history: readonly { readonly at: string; readonly name: string | null; readonly code: string | null }[]
  /** Messages of its key that wait behind it. */
  readonly waiting: number
  readonly actions: readonly DeadLetterAction[]
}

/** What was done with a dead letter, by whom, when and why. */
export interface DeadLetterAction {
  /** RFC 3339 in UTC. */
  readonly at: string
  readonly action: 'retry' | 'retried' | 'failed' | 'discard'
  readonly by: string
  readonly why: string | null
}

/**
 * The dead letter with this number, or null. Its actions are there even when it is gone: see `deadLetterActions`. Reads
 * on `tx`.
 *
 * @throws OnceboxError `INVALID_SETTING` for the schema name; the driver's error otherwise.
 */
export async function showDeadLetter(
  tx: Tx,
  number: string,
  options: { readonly schema?: string } = {},
): Promise<DeadLetterDetails | null> {
  const { schema = defaultSchema } = options
  const { deadLetter, parkedDelivery } = tables(schema)
  if (!isNumber(number)) return null
  const { rows } = await tx.query<Omit<DeadLetterDetails, 'headers' | 'error' | 'history' | 'actions'> & Texts>(
    `SELECT ${summaryColumns}, ${rfc3339('first_failed_at')} AS "firstFailedAt", ${rfc3339('record_time')} AS "recordTime",
       content_type AS "contentType", translate(encode(key, 'base64'), E'\\n', '') AS key,
       translate(encode(payload, 'base64'), E'\\n', '') AS payload,
       headers::text AS headers, error::text AS error, history::text AS history,
       CASE WHEN parks THEN (
         SELECT count(*) FROM ${parkedDelivery} AS parked WHERE parked.consumer = letter.consumer
           AND parked.topic = letter.topic AND parked.key_digest = sha256(letter.key)
       ) ELSE 0 END::integer AS waiting
     FROM ${deadLetter} AS letter WHERE letter.number = $1::text::bigint`,
    [number],
  )
  const row = rows[0]
  if (row === undefined) return null
  return {
    ...row,
    headers: JSON.parse(row.headers) as DeadLetterDetails['headers'],
    error: row.error === null ? null : (JSON.parse(row.error) as DeadLetterDetails['error']),
    history: JSON.parse(row.history) as DeadLetterDetails['history'],
    actions: await deadLetterActions(tx, number, { schema }),
  }
}

interface Texts {
  readonly headers: string
  readonly error: string | null
  readonly history: string
}

/**
 * What was done with the dead letter of this number, the oldest first; it outlives the dead letter. Reads on `tx`.
 *
 * @throws OnceboxError `INVALID_SETTING` for the schema name; the driver's error otherwise.
 */
export async function deadLetterActions(
  tx: Tx,
  number: string,
  options: { readonly schema?: string } = {},
): Promise<DeadLetterAction[]> {
  if (!isNumber(number)) return []
  const { rows } = await tx.query<DeadLetterAction>(
    `SELECT ${rfc3339('done_at')} AS at, action, done_by AS by, why
     FROM ${tables(options.schema ?? defaultSchema).deadLetterAction} AS done
     WHERE dead_letter = $1::text::bigint ORDER BY done.number`,
    [number],
  )
  return rows
}

/** Pure. Whether a text can be the number of a dead letter. */
export function isNumber(text: string): boolean {
  return /^\d{1,18}$/.test(text)
}
