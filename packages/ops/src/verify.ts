import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, requireSchema, tables } from '@oncebox/schema'
import { positionsBetween } from './outboxPositions.js'
import { type Discrepancy, type PublishedRecord, Reconciliation, type WrittenMessage } from './reconcile.js'
import { rowState } from './rowState.js'
import { searchUnhandled, type UnhandledSearch } from './unhandled.js'

export interface VerifyOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** Messages written from here on; milliseconds since the Unix epoch. */
  readonly fromMs: number
  /** Up to here; milliseconds since the Unix epoch. */
  readonly toMs: number
  /**
   * Gives all records of a topic that were published at `fromMs` or later to `take`, each one once and each partition in
   * order, and waits for it; several partitions may come side by side. Where `take` rejects, so does it.
   */
  readonly readTopic: (
    topic: string,
    fromMs: number,
    take: (records: readonly PublishedRecord[]) => Promise<void>,
  ) => Promise<void>
  /** Databases of consumers: pools, since several statements may run at once. */
  readonly consumers: readonly Tx[]
}

/** What a comparison found. */
export interface Verified {
  /** The range that was looked at: not before the oldest message retained. */
  readonly fromMs: number
  readonly toMs: number
  readonly written: number
  readonly waiting: number
  readonly parked: number
  readonly published: number
  /** Groups, and how many messages of the range each has passed. */
  readonly groups: readonly { readonly group: string; readonly topic: string; readonly passed: number }[]
  readonly discrepancies: readonly Discrepancy[]
}

/** What is read of a page lives as long as the page: small ones die young. */
const pageRows = 2_000
const marginMs = 60_000

/**
 * Compares the outbox with the topics, and the topics with the inboxes, for the messages of a time range: what is lost, what
 * nobody wrote, what was published twice or out of order, what a group passed without handling. Reads on `tx` and on those of
 * the consumers, in pages; keeps an id a message in memory, and of records only those that do not fit.
 *
 * @throws OnceboxError `INVALID_SETTING` for the range or the schema name, `SCHEMA_NOT_MIGRATED`; what `readTopic` throws.
 */
export async function verify(tx: Tx, options: VerifyOptions): Promise<Verified> {
  const schema = options.schema ?? defaultSchema
  if (!(options.fromMs < options.toMs)) {
    throw new OnceboxError('INVALID_SETTING', 'The time range to verify ends before it begins')
  }
  await requireSchema(tx, { schema, minimumVersion: 8 })
  const oldest = await oldestMs(tx, schema)
  const fromMs = Math.max(options.fromMs, Math.floor(oldest))
  const { toMs } = options
  // Neighbours of the oldest row, in its millisecond, may be reclaimed already: nobody can tell that they were written.
  const compared = new Reconciliation({ fromMs: Math.max(fromMs, Math.ceil(oldest)), toMs })
  if (fromMs < toMs) await readWritten(tx, schema, { fromMs, toMs }, (message) => compared.wrote(message))
  const searches: UnhandledSearch[] = []
  for (const consumer of options.consumers) searches.push(await searchUnhandled(consumer, schema))
  for (const topic of compared.topics) {
    await options.readTopic(topic, fromMs - marginMs, async (records) => {
      const firstOnes = records.filter((record) => compared.arrived(record))
      for (const search of searches) await search.take(firstOnes)
    })
  }
  const unhandled = searches.map((search) => search.result())
  const { states } = compared
  return {
    fromMs,
    toMs,
    written: states.published + states.waiting + states.parked,
    waiting: states.waiting,
    parked: states.parked,
    published: compared.published,
    groups: unhandled.flatMap(({ groups }) => groups),
    discrepancies: [
      ...compared.discrepancies(await writtenMeanwhile(tx, schema, { fromMs, toMs }, compared.unknown)),
      ...unhandled.flatMap(({ discrepancies }) => discrepancies),
    ],
  }
}

/** Those of the ids whose transactions had not committed yet when the outbox was read. */
async function writtenMeanwhile(
  tx: Tx,
  schema: string,
  range: TimeRange,
  ids: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const there = new Set<string>()
  if (ids.size > 0) await readWritten(tx, schema, range, ({ id }) => ids.has(id) && there.add(id))
  return there
}

/** What was reclaimed cannot be compared. */
async function oldestMs(tx: Tx, schema: string): Promise<number> {
  const { rows } = await tx.query<{ at: number }>(
    `SELECT (extract(epoch FROM created_at) * 1000)::float8 AS at FROM ${tables(schema).outbox} ORDER BY position LIMIT 1`,
  )
  return rows[0]?.at ?? Number.POSITIVE_INFINITY
}

interface TimeRange {
  readonly fromMs: number
  readonly toMs: number
}

/** Gives every row of the range to `take`, in the order of positions. */
async function readWritten(
  tx: Tx,
  schema: string,
  { fromMs, toMs }: TimeRange,
  take: (message: WrittenMessage) => unknown,
): Promise<void> {
  const { outbox } = tables(schema)
  const { from, to } = await positionsBetween(tx, outbox, fromMs, toMs)
  let after = from === null ? '0' : String(BigInt(from) - 1n)
  for (;;) {
    const { rows } = await tx.query<Omit<WrittenMessage, 'position'> & { position: string; wanted: boolean }>(
      `SELECT position::text AS position, id::text AS id, topic, source,
         created_at >= to_timestamp($3::text::float8 / 1000) AND created_at < to_timestamp($4::text::float8 / 1000) AS wanted,
         ${rowState(tables(schema), 'page')} AS state
       FROM (
         SELECT position, id, topic, key, source, created_at, xid FROM ${outbox}
         WHERE position > $1::text::bigint AND ($2::text IS NULL OR position < $2::text::bigint)
         ORDER BY position LIMIT ${pageRows}
       ) AS page ORDER BY page.position`,
      [after, to, String(fromMs), String(toMs)],
    )
    for (const { position, wanted, ...row } of rows) if (wanted) take({ ...row, position: BigInt(position) })
    const last = rows.at(-1)
    if (last === undefined || rows.length < pageRows) return
    after = last.position
  }
}
