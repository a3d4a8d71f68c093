import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, requireSchema, tables } from '@oncebox/schema'
import { positionsBetween } from './outboxPositions.js'
import { type Discrepancy, type PublishedRecord, reconcile, type WrittenMessage } from './reconcile.js'
import { rowState } from './rowState.js'
import { readUnhandled } from './unhandled.js'

export interface VerifyOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** Messages written from here on; milliseconds since the Unix epoch. */
  readonly fromMs: number
  /** Up to here; milliseconds since the Unix epoch. */
  readonly toMs: number
  /** All records of a topic that were published at `fromMs` or later, each partition in order. */
  readonly readTopic: (topic: string, fromMs: number) => Promise<readonly PublishedRecord[]>
  /** Databases of consumers. */
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

const pageRows = 10_000
const marginMs = 60_000

/**
 * Compares the outbox with the topics, and the topics with the inboxes, for the messages of a time range: what is lost, what
 * nobody wrote, what was published twice or out of order, what a group passed without handling. Reads on `tx` and on those of
 * the consumers, in pages; keeps an id a message in memory.
 *
 * @throws OnceboxError `INVALID_SETTING` for the range or the schema name, `SCHEMA_NOT_MIGRATED`.
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
  const written = fromMs < toMs ? await readWritten(tx, schema, fromMs, toMs) : []
  const topics = [...new Set(written.map(({ topic }) => topic))].sort()
  const byTopic: (readonly PublishedRecord[])[] = []
  for (const topic of topics) byTopic.push(await options.readTopic(topic, fromMs - marginMs))
  const records = byTopic.flat()
  const ids = new Set(written.map(({ id }) => id))
  const own = records.filter(({ id }) => ids.has(id))
  // Neighbours of the oldest row, in its millisecond, may be reclaimed already: nobody can tell that they were written.
  const knownFromMs = Math.max(fromMs, Math.ceil(oldest))
  let discrepancies = reconcile(written, records, { fromMs: knownFromMs, toMs })
  const groups: Verified['groups'][number][] = []
  for (const consumer of options.consumers) {
    const unhandled = await readUnhandled(consumer, schema, own)
    groups.push(...unhandled.groups)
    discrepancies = discrepancies.concat(unhandled.discrepancies)
  }
  const count = (state: WrittenMessage['state']) => written.filter((message) => message.state === state).length
  return {
    fromMs,
    toMs,
    written: written.length,
    waiting: count('waiting'),
    parked: count('parked'),
    published: own.length,
    groups,
    discrepancies,
  }
}

/** What was reclaimed cannot be compared. */
async function oldestMs(tx: Tx, schema: string): Promise<number> {
  const { rows } = await tx.query<{ at: number }>(
    `SELECT (extract(epoch FROM created_at) * 1000)::float8 AS at FROM ${tables(schema).outbox} ORDER BY position LIMIT 1`,
  )
  return rows[0]?.at ?? Number.POSITIVE_INFINITY
}

async function readWritten(tx: Tx, schema: string, fromMs: number, toMs: number): Promise<WrittenMessage[]> {
  const { outbox } = tables(schema)
  const { from, to } = await positionsBetween(tx, outbox, fromMs, toMs)
  const written: WrittenMessage[] = []
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
    for (const { position, wanted, ...row } of rows) if (wanted) written.push({ ...row, position: BigInt(position) })
    const last = rows.at(-1)
    if (last === undefined || rows.length < pageRows) return written
    after = last.position
  }
}
