import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, requireSchema, tables } from '@oncebox/schema'
import { positionsBetween } from './outboxPositions.js'

/** Which messages of the outbox: those for which everything given here is true. */
export interface ReplayFilter {
  /** Global ids. */
  readonly ids?: readonly string[]
  readonly topic?: string
  readonly key?: string
  readonly type?: string
  /** Written from here on, up to `toMs`; both in milliseconds since the Unix epoch. */
  readonly fromMs: number
  readonly toMs: number
}

/** A replay that was decided on: plain data. Copies come behind `before`, so they are never copied themselves. */
export interface ReplayPlan {
  readonly schema: string
  readonly filter: ReplayFilter
  /** Positions between which the messages lie, as decimal text: behind `after`, and before `before`. */
  readonly after: string
  readonly before: string
}

/** A plan, and what it found. */
export interface PlannedReplay extends ReplayPlan {
  /** How many messages, counted up to 1,000,000; each id once. */
  readonly messages: number
  readonly topics: readonly { readonly topic: string; readonly messages: number }[]
}

const countedUpTo = 1_000_000

/**
 * Looks for what a replay would copy, and counts it. Reads on `tx`.
 *
 * @throws OnceboxError `INVALID_SETTING` for the filter or the schema name, `SCHEMA_NOT_MIGRATED`.
 */
export async function planReplay(
  tx: Tx,
  options: {
    readonly schema?: string
    readonly filter: ReplayFilter
    readonly after?: string
    readonly before?: string
  },
): Promise<PlannedReplay> {
  const schema = options.schema ?? defaultSchema
  const { filter } = options
  if (!(filter.fromMs <= filter.toMs)) {
    throw new OnceboxError('INVALID_SETTING', 'The time range of the replay ends before it begins')
  }
  await requireSchema(tx, { schema, minimumVersion: 5 })
  const { outbox } = tables(schema)
  const { from, to } = await positionsBetween(tx, outbox, filter.fromMs, filter.toMs)
  const end = await tx.query<{ end: string }>(`SELECT (coalesce(max(position), 0) + 1)::text AS "end" FROM ${outbox}`)
  const plan: ReplayPlan = {
    schema,
    filter,
    after: options.after ?? (from === null ? '0' : String(BigInt(from) - 1n)),
    before: options.before ?? to ?? (end.rows[0]?.end as string),
  }
  const { rows } = await tx.query<{ topic: string; messages: number }>(
    `SELECT topic, count(DISTINCT id)::int AS messages
     FROM (SELECT topic, id FROM ${outbox} WHERE ${matching(filter)} LIMIT ${countedUpTo}) AS found
     GROUP BY topic ORDER BY topic`,
    valuesOf(plan),
  )
  return { ...plan, messages: rows.reduce((sum, row) => sum + row.messages, 0), topics: rows }
}

/** What a step did. */
export interface ReplayStep {
  /** Ids of what was copied, in order. */
  readonly copied: readonly string[]
  /** The `after` of the next step; null when there is nothing more. */
  readonly after: string | null
}

/**
 * Copies the next messages of the plan to the end of the outbox, in their order and with their ids, so that the relay
 * publishes them again: inboxes absorb what was handled. `seen` is skipped and added to: of a message that was replayed
 * before there are several rows. Writes on `tx`, which the caller commits; like `emit` it raises `synchronous_commit`.
 *
 * @param limit messages, 1 to 10,000
 * @throws OnceboxError `INVALID_SETTING` for the limit.
 */
export async function replayStep(tx: Tx, plan: ReplayPlan, limit: number, seen: Set<string>): Promise<ReplayStep> {
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
    throw new OnceboxError('INVALID_SETTING', 'The limit of a replay is not a whole number from 1 to 10000')
  }
  const { outbox } = tables(plan.schema)
  const { rows } = await tx.query<{ position: string; id: string }>(
    `SELECT position::text AS position, id::text AS id FROM ${outbox} AS found
     WHERE ${matching(plan.filter)} ORDER BY found.position LIMIT ${limit}`,
    valuesOf(plan),
  )
  const fresh = rows.filter(({ id }) => !seen.has(id) && seen.add(id))
  if (fresh.length > 0) {
    const columns = 'id, source, topic, key, type, content_type, headers, payload'
    await tx.query(
      `INSERT INTO ${outbox} (${columns})
       SELECT ${columns} FROM ${outbox} AS found
       WHERE position IN (SELECT each::bigint FROM json_array_elements_text($1::text::json) AS each)
         AND (SELECT CASE WHEN current_setting('synchronous_commit') = 'off'
           THEN set_config('synchronous_commit', 'on', true) END) IS DISTINCT FROM 'off'
       ORDER BY found.position`,
      [JSON.stringify(fresh.map(({ position }) => position))],
    )
  }
  const last = rows.at(-1)?.position
  return { copied: fresh.map(({ id }) => id), after: rows.length < limit || last === undefined ? null : last }
}

/** SQL for what a plan finds. Parameters: `valuesOf` it. */
export function matching({ ids, topic, key, type }: ReplayFilter): string {
  return [
    'position > $1::text::bigint AND position < $2::text::bigint',
    'created_at >= to_timestamp($3::text::float8 / 1000) AND created_at <= to_timestamp($4::text::float8 / 1000)',
    ids === undefined
      ? '$5::text IS NULL'
      : 'id IN (SELECT each::uuid FROM json_array_elements_text($5::text::json) AS each)',
    topic === undefined ? '$6::text IS NULL' : 'topic = $6::text',
    key === undefined ? '$7::text IS NULL' : 'key = $7::text',
    type === undefined ? '$8::text IS NULL' : 'type = $8::text',
  ].join(' AND ')
}

export function valuesOf({ after, before, filter }: ReplayPlan): unknown[] {
  const { fromMs, toMs, ids, topic, key, type } = filter
  const list = ids === undefined ? null : JSON.stringify(ids)
  return [after, before, String(fromMs), String(toMs), list, topic ?? null, key ?? null, type ?? null]
}
