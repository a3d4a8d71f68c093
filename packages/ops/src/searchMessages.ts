import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, requireSchema, tables } from '@oncebox/schema'
import { positionsBetween } from './outboxPositions.js'
import { type RowState, rowState } from './rowState.js'

/** Which messages: those for which everything given here is true. */
export interface MessageFilter {
  readonly topic?: string
  readonly key?: string
  readonly type?: string
  /** Written from here on, up to `toMs`; both in milliseconds since the Unix epoch. */
  readonly fromMs: number
  readonly toMs: number
}

/** A row of the outbox as a list shows it; never its payload. */
export interface FoundMessage {
  /** Decimal text. */
  readonly position: string
  readonly id: string
  readonly topic: string
  readonly key: string | null
  readonly type: string
  /** When it was written: RFC 3339 in UTC, microseconds. */
  readonly at: string
  readonly state: RowState
}

export interface SearchOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** Which messages. */
  readonly filter: MessageFilter
  /** The `before` of the page before, decimal text. Default: from the newest on. */
  readonly before?: string
  /** 1 to 1,000. Default 50. */
  readonly limit?: number
  /**
   * Rows that are looked at for one page, at most: a rare key in a large outbox takes several pages instead of a long wait.
   * Default 100,000.
   */
  readonly lookAt?: number
}

/** A page of what a search found. */
export interface FoundPage {
  /** The newest first. */
  readonly messages: readonly FoundMessage[]
  /** Goes on from here; null when the range is searched through. */
  readonly before: string | null
  /** How far back this page looked: RFC 3339 in UTC, null when it looked at everything. Fewer messages than the limit may lie before. */
  readonly searchedBackTo: string | null
}

/**
 * Messages of the outbox by topic, key and type within a time range, the newest first, page by page along the index on
 * position. A page looks at `lookAt` rows at most, whatever is retained. Reads on `tx`.
 *
 * @throws OnceboxError `INVALID_SETTING` for the range, the limit, `before` or the schema name, `SCHEMA_NOT_MIGRATED`.
 */
export async function searchMessages(tx: Tx, options: SearchOptions): Promise<FoundPage> {
  const { schema = defaultSchema, filter, limit = 50, lookAt = 100_000 } = options
  check(filter, limit, lookAt, options.before)
  await requireSchema(tx, { schema, minimumVersion: 5 })
  const names = tables(schema)
  const range = await positionsBetween(tx, names.outbox, filter.fromMs, filter.toMs)
  const { rows } = await tx.query<FoundMessage & { readonly last: boolean; readonly matches: boolean }>(
    `WITH looked AS MATERIALIZED (
       SELECT position, xid, id, topic, key, type, created_at FROM ${names.outbox} AS found
       WHERE position >= $1::text::bigint AND ($2::text IS NULL OR position < $2::text::bigint)
         AND ($3::text IS NULL OR position < $3::text::bigint)
       ORDER BY found.position DESC LIMIT ${lookAt}
     ), matching AS (
       SELECT * FROM looked
       WHERE created_at >= to_timestamp($4::text::float8 / 1000) AND created_at <= to_timestamp($5::text::float8 / 1000)
         AND ($6::text IS NULL OR topic = $6::text) AND ($7::text IS NULL OR key = $7::text)
         AND ($8::text IS NULL OR type = $8::text)
       ORDER BY looked.position DESC LIMIT ${limit}
     ), lowest AS (
       SELECT * FROM looked ORDER BY looked.position LIMIT CASE WHEN (SELECT count(*) FROM looked) = ${lookAt} THEN 1 ELSE 0 END
     )
     SELECT position::text AS position, id::text AS id, topic, key, type,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
       ${rowState(names, 'shown')} AS state, matches
     FROM (SELECT *, true AS matches FROM matching UNION ALL SELECT *, false FROM lowest) AS shown
     ORDER BY shown.position DESC, matches DESC`,
    [
      range.from ?? '0',
      range.to,
      options.before ?? null,
      String(filter.fromMs),
      String(filter.toMs),
      filter.topic ?? null,
      filter.key ?? null,
      filter.type ?? null,
    ],
  )
  const messages = rows
    .filter(({ matches }) => matches)
    .map(({ position, id, topic, key, type, at, state }) => ({ position, id, topic, key, type, at, state }))
  return {
    messages,
    ...nextPage(
      messages,
      rows.find(({ matches }) => !matches),
      limit,
    ),
  }
}

/** A full page goes on behind its last message; one that looked at all it may, behind the last row it looked at. */
function nextPage(
  messages: readonly FoundMessage[],
  lowest: FoundMessage | undefined,
  limit: number,
): Pick<FoundPage, 'before' | 'searchedBackTo'> {
  const last = messages.at(-1)
  if (messages.length === limit && last !== undefined) return { before: last.position, searchedBackTo: last.at }
  return { before: lowest?.position ?? null, searchedBackTo: lowest?.at ?? null }
}

function check({ fromMs, toMs }: MessageFilter, limit: number, lookAt: number, before: string | undefined): void {
  if (!(fromMs <= toMs)) throw new OnceboxError('INVALID_SETTING', 'The time range of the search ends before it begins')
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) {
    throw new OnceboxError('INVALID_SETTING', 'The limit of the search is not a whole number from 1 to 1000')
  }
  if (!Number.isInteger(lookAt) || lookAt < 1) {
    throw new OnceboxError('INVALID_SETTING', 'The rows to look at are no whole number from 1 up')
  }
  if (before !== undefined && !/^\d{1,18}$/.test(before)) {
    throw new OnceboxError('INVALID_SETTING', 'The position to search before is no whole number')
  }
}
