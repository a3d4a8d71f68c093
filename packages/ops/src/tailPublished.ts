import { partitionOf, type Tx } from '@oncebox/core'
import { defaultSchema, tables } from '@oncebox/schema'
import { type TailFilter, tailCondition } from './tailFilter.js'
import type { TailMessage } from './tailRows.js'

/** A message as the relay published it. */
export interface PublishedMessage extends TailMessage {
  readonly published: {
    /** RFC 3339 in UTC, microseconds. */
    readonly at: string
    readonly lane: number
    readonly partition: number
    /** Decimal text; null where the transport has none, or the batch cannot be told apart. */
    readonly offset: string | null
  }
}

/** Where a reader stands: plain data, to be handed to the next call as it is. */
export interface PublishedCursor {
  /** Milliseconds since the Unix epoch, by the database's clock: publications of earlier than a moment before were shown. */
  readonly sinceMs: number
  /** Names of those of that moment that were shown. */
  readonly seen: readonly string[]
}

/** What was published since the last call. */
export interface PublishedPage {
  readonly messages: readonly PublishedMessage[]
  /** The cursor for the next call. */
  readonly after: PublishedCursor
}

/** A relay notes a publish under the time at which it writes, and the note is seen when that commits: this much later at most. */
const overlapMs = 2_000
/** So many positions before the newest one, publications are looked for. */
const positionsBack = 5_000_000
const mostPublications = 10_000
/** Batches with more rows between their ends are not gone through. */
const mostRows = 20_000

interface Row {
  readonly name: string
  readonly lane: number
  readonly topic: string
  readonly partition: number
  readonly first: string
  readonly last: string
  readonly base: string | null
  readonly count: number
  readonly at: string
  readonly atMs: number
  readonly partitions: number | null
}

/**
 * What was published since the last call, batch by batch: a message that is published twice comes twice. Without a
 * cursor, nothing and one at the present. Messages without a key are shown where the batch can be told apart. Reads on
 * `tx`; the relay notes what it published about every 50 ms.
 *
 * @throws OnceboxError `INVALID_SETTING` for the schema name; the driver's error otherwise.
 */
export async function tailPublished(
  tx: Tx,
  options: { readonly schema?: string; readonly after?: PublishedCursor; readonly filter?: TailFilter } = {},
): Promise<PublishedPage> {
  const { schema = defaultSchema, after, filter = {} } = options
  const { outbox, publication, pinnedTopic } = tables(schema)
  const clock = await tx.query<{ ms: number }>('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms')
  const now = clock.rows[0]?.ms ?? 0
  if (after === undefined) return { messages: [], after: { sinceMs: now, seen: [] } }
  const { rows } = await tx.query<Row>(
    `SELECT concat_ws('/', topic, partition, first_position, last_position, published_at) AS name, lane::int AS lane, topic,
       partition, first_position::text AS first, last_position::text AS last, base_offset::text AS base, count,
       to_char(published_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
       (extract(epoch FROM published_at) * 1000)::float8 AS "atMs",
       (SELECT partitions FROM ${pinnedTopic} AS pinned WHERE pinned.topic = found.topic) AS partitions
     FROM ${publication} AS found
     WHERE first_position > coalesce((SELECT max(position) FROM ${outbox}), 0) - ${positionsBack}
       AND published_at > to_timestamp(($1::text::float8 - ${overlapMs}) / 1000)
       AND ($2::text IS NULL OR topic = $2::text) AND ($3::text IS NULL OR lane = $3::text::int)
     ORDER BY found.published_at LIMIT ${mostPublications}`,
    [String(after.sinceMs), filter.topic ?? null, filter.lane === undefined ? null : String(filter.lane)],
  )
  const seen = new Set(after.seen)
  const messages: PublishedMessage[] = []
  for (const row of rows) {
    if (seen.has(row.name) || !mayHold(row, filter)) continue
    messages.push(...(await messagesOf(tx, schema, row, filter)))
  }
  const sinceMs = rows.length === mostPublications ? (rows.at(-1)?.atMs ?? now) : now
  const late = rows.filter(({ atMs }) => atMs > sinceMs - overlapMs)
  return { messages, after: { sinceMs, seen: late.map(({ name }) => name) } }
}

/** False when the key that is looked for goes to another partition. */
function mayHold({ partitions, partition }: Row, { key }: TailFilter): boolean {
  return key === undefined || partitions === null || partitionOf(Buffer.from(key, 'utf8'), partitions) === partition
}

/** The batch's own rows: of its topic and partition, between its ends. */
async function messagesOf(tx: Tx, schema: string, row: Row, filter: TailFilter): Promise<PublishedMessage[]> {
  const { sql, values } = tailCondition(filter, schema, 4)
  const found = await tx.query<TailMessage & { matches: boolean }>(
    `SELECT position::text AS position, id::text AS id, topic, key, type,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time,
       coalesce(octet_length(payload), 0) AS bytes, coalesce(${sql}, false) AS matches
     FROM ${tables(schema).outbox} AS found
     WHERE position >= $1::text::bigint AND position <= $2::text::bigint AND topic = $3::text
     ORDER BY found.position LIMIT ${mostRows + 1}`,
    [row.first, row.last, row.topic, ...values],
  )
  if (found.rows.length > mostRows) return []
  const keyed = found.rows.filter(
    ({ key }) =>
      key !== null &&
      (row.partitions === null || partitionOf(Buffer.from(key, 'utf8'), row.partitions) === row.partition),
  )
  const all = found.rows.filter((each) => each.key === null || keyed.includes(each))
  // Those without a key go anywhere: they are known to be of this batch when nothing else can be.
  const own = all.length === row.count ? all : keyed
  const whole = own.length === row.count && row.base !== null
  return own.flatMap(({ matches, ...message }, place) => {
    if (!matches) return []
    const offset = whole ? String(BigInt(row.base ?? 0) + BigInt(place)) : null
    return [{ ...message, published: { at: row.at, lane: row.lane, partition: row.partition, offset } }]
  })
}
