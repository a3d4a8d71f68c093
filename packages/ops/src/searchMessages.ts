import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, requireSchema, tables } from '@oncebox/schema'
import { positionPast, positionsBetween, rfc3339, writtenAt } from './outboxPositions.js'
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
  const between = await positionsBetween(tx, names.outbox, filter.fromMs, filter.toMs)
  const range = { from: between.from, to: earlier(between.to, options.before ?? null) }
  const bound = await positionPast(tx, names.outbox, range, lookAt, 'backwards')
  // In the order of the index and with a limit, so that the planner stops at a full page and has no use for a scan.
  const { rows: messages } = await tx.query<FoundMessage>(
    `SELECT position::text AS position, id::text AS id, topic, key, type,
       ${rfc3339} AS at, ${rowState(names, 'found')} AS state
     FROM ${names.outbox} AS found
     WHERE position >= $1::text::bigint AND ($2::text IS NULL OR position < $2::text::bigint)
       AND created_at >= to_timestamp($3::text::float8 / 1000) AND created_at <= to_timestamp($4::text::float8 / 1000)
       AND ($5::text IS NULL OR topic = $5::text) AND ($6::text IS NULL OR key = $6::text)
       AND ($7::text IS NULL OR type = $7::text)
     ORDER BY found.position DESC LIMIT ${limit}`,
    [
      bound ?? range.from ?? '0',
      range.to,
      String(filter.fromMs),
      String(filter.toMs),
      filter.topic ?? null,
      filter.key ?? null,
      filter.type ?? null,
    ],
  )
  const last = messages.at(-1)
  // A full page goes on behind its last message; one that looked at all it may, behind the last row it looked at.
  if (messages.length === limit && last !== undefined)
    return { messages, before: last.position, searchedBackTo: last.at }
  return { messages, before: bound, searchedBackTo: bound === null ? null : await writtenAt(tx, names.outbox, bound) }
}

function earlier(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other
  return BigInt(one) < BigInt(other) ? one : other
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
