import { quoteLiteral, type Tx } from '@oncebox/core'
import { defaultSchema, inboxRing, tables } from '@oncebox/schema'

/** Counters of the way that messages go, at one moment: rates are the difference of two. */
export interface FlowCounters {
  /** Milliseconds since the Unix epoch, by the database's clock. */
  readonly atMs: number
  /** The newest position. Decimal text; rises with every message written, also by transactions that did not survive. */
  readonly written: string
  /** By consumer group, the sum of the next offsets of its partitions. Decimal text. */
  readonly handled: Readonly<Record<string, string>>
  /**
   * Ids that inboxes have recorded since the server's statistics were reset, also in transactions that did not survive: on every
   * transport, of all groups together. Decimal text; null where it is not known.
   */
  readonly effects: string | null
  /** What was published in the last `windowSeconds`. */
  readonly published: {
    readonly windowSeconds: number
    readonly messages: number
    /** From writing to Kafka's acknowledgement, of the first message of each batch, in milliseconds; null without any. */
    readonly p50Ms: number | null
    readonly p99Ms: number | null
  }
}

export interface FlowOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** How far back `published` looks. Default 10 seconds. */
  readonly windowSeconds?: number
}

/** So many positions before the newest one, publications are looked for: those of late or parked messages are left out. */
const positionsBack = 5_000_000
/** So many batches are timed. */
const timed = 500

/**
 * Reads the counters on `tx`; the cost depends on what was published in half a day, not on what is retained.
 *
 * @throws OnceboxError `INVALID_SETTING` for the schema name; the driver's error otherwise.
 */
export async function readFlow(tx: Tx, options: FlowOptions = {}): Promise<FlowCounters> {
  const { schema = defaultSchema, windowSeconds = 10 } = options
  const { outbox, publication, consumerOffset, inboxForeign, of } = tables(schema)
  const inboxes = [...inboxRing.leaves.map(of), inboxForeign].map(quoteLiteral)
  const slots = await slotsWrittenIn(tx, schema, windowSeconds)
  const { rows } = await tx.query<{
    atMs: number
    written: string
    handled: string
    effects: string
    messages: number
    p50Ms: number | null
    p99Ms: number | null
  }>(
    `WITH newest AS (
       SELECT coalesce((SELECT position FROM ${outbox} ORDER BY position DESC LIMIT 1), 0) AS position
     ), recent AS MATERIALIZED (
       SELECT first_position, published_at, count FROM ${publication}
       WHERE first_position > (SELECT position FROM newest) - ${positionsBack}
         AND slot IN (${slots.join(', ')})
         AND published_at > clock_timestamp() - $1::text::float8 * interval '1 second'
     ), delays AS (
       SELECT extract(epoch FROM recent.published_at - written.created_at) * 1000 AS ms
       FROM (SELECT * FROM recent ORDER BY published_at DESC LIMIT ${timed}) AS recent
       CROSS JOIN LATERAL (SELECT created_at FROM ${outbox} WHERE position = recent.first_position LIMIT 1) AS written
     ), groups AS (
       SELECT consumer, sum(next_offset)::text AS handled FROM (
         SELECT DISTINCT ON (consumer, topic, partition) consumer, next_offset
         FROM ${consumerOffset} ORDER BY consumer, topic, partition, updated_at DESC
       ) AS known GROUP BY consumer
     )
     SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "atMs",
       (SELECT position FROM newest)::text AS written,
       coalesce((SELECT json_object_agg(consumer, handled) FROM groups), '{}')::text AS handled,
       (SELECT sum(pg_stat_get_tuples_inserted(leaf::regclass))::text FROM unnest(ARRAY[${inboxes.join(', ')}]) AS leaf) AS effects,
       (SELECT coalesce(sum(count), 0)::float8 FROM recent) AS messages,
       (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FROM delays)::float8 AS "p50Ms",
       (SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) FROM delays)::float8 AS "p99Ms"`,
    [String(windowSeconds)],
  )
  const row = rows[0]
  if (row === undefined) throw new TypeError('A statement that always has a row had none')
  const { atMs, written, effects, messages, p50Ms, p99Ms } = row
  const handled = JSON.parse(row.handled) as Record<string, string>
  return { atMs, written, handled, effects, published: { windowSeconds, messages, p50Ms, p99Ms } }
}

/** The leaves that publications of the last seconds are in: as literals they spare the planner, and us, all others. */
async function slotsWrittenIn(tx: Tx, schema: string, seconds: number): Promise<number[]> {
  const slot = tables(schema).of('publication_slot')
  const { rows } = await tx.query<{ slot: number }>(
    `SELECT DISTINCT ${slot}(at)::int AS slot
     FROM (VALUES (clock_timestamp()), (clock_timestamp() - $1::text::float8 * interval '1 second')) AS ends (at)`,
    [String(seconds)],
  )
  return rows.map((row) => row.slot)
}

/** Messages a second. */
export interface FlowRates {
  readonly written: number
  readonly published: number
  /** By consumer group, where its transport has offsets. */
  readonly handled: Readonly<Record<string, number>>
  /** Of all groups together; null where it is not known. */
  readonly effects: number | null
}

/** Pure. Between two readings: a counter that fell (a restored database, a new topic) counts as standing still. */
export function flowRates(before: FlowCounters, after: FlowCounters): FlowRates {
  const seconds = Math.max(0.001, (after.atMs - before.atMs) / 1000)
  const rate = (from: string | undefined, to: string) =>
    from === undefined ? 0 : Math.max(0, Number(BigInt(to) - BigInt(from))) / seconds
  return {
    written: rate(before.written, after.written),
    published: after.published.messages / after.published.windowSeconds,
    handled: Object.fromEntries(
      Object.entries(after.handled).map(([group, offset]) => [group, rate(before.handled[group], offset)]),
    ),
    effects: before.effects === null || after.effects === null ? null : rate(before.effects, after.effects),
  }
}
