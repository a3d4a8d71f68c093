import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, requireSchema, tables } from '@oncebox/schema'
import { positionPast, positionsBetween } from './outboxPositions.js'

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
  /** How many messages, each id once. */
  readonly messages: number
  /** False: there are at least so many, because no more rows were looked at. */
  readonly exact: boolean
  /** Of all there may be, by how far the rows that were looked at reach; as `messages` when that is exact. */
  readonly estimate: number
  readonly topics: readonly { readonly topic: string; readonly messages: number }[]
}

const countedUpTo = 1_000_000

/**
 * Looks for what a replay would copy, and counts it. Reads on `tx`.
 *
 * @param options.lookAt rows that are looked at, at most; without it all between the plan's positions, and the messages are
 *   counted up to 1,000,000
 * @throws OnceboxError `INVALID_SETTING` for the filter or the schema name, `SCHEMA_NOT_MIGRATED`.
 */
export async function planReplay(
  tx: Tx,
  options: {
    readonly schema?: string
    readonly filter: ReplayFilter
    readonly after?: string
    readonly before?: string
    readonly lookAt?: number
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
  return { ...plan, ...(await countIn(tx, plan, options.lookAt)) }
}

async function countIn(
  tx: Tx,
  plan: ReplayPlan,
  lookAt: number | undefined,
): Promise<Pick<PlannedReplay, 'messages' | 'exact' | 'estimate' | 'topics'>> {
  const { outbox } = tables(plan.schema)
  const range = { from: String(BigInt(plan.after) + 1n), to: plan.before }
  const bound = lookAt === undefined ? null : await positionPast(tx, outbox, range, lookAt, 'forwards')
  const looked: ReplayPlan = bound === null ? plan : { ...plan, before: bound }
  const { rows } = await tx.query<{ topic: string; messages: number; rows: number }>(
    // Grouped twice and not count(DISTINCT id), which sorts: half the time.
    `SELECT topic, count(*)::int AS messages, sum(rows)::int AS rows
     FROM (
       SELECT topic, id, count(*) AS rows
       FROM (SELECT topic, id FROM ${outbox} WHERE ${matching(plan.filter)} LIMIT ${countedUpTo}) AS found
       GROUP BY topic, id
     ) AS messages
     GROUP BY topic ORDER BY topic`,
    valuesOf(looked),
  )
  const topics = rows.map(({ topic, messages }) => ({ topic, messages }))
  const messages = topics.reduce((sum, one) => sum + one.messages, 0)
  const exact = bound === null && rows.reduce((sum, one) => sum + one.rows, 0) < countedUpTo
  return { messages, exact, estimate: bound === null ? messages : asDense(messages, looked, plan), topics }
}

/** Pure. As many as there are when all of the plan is as dense as the part that was looked at. */
function asDense(messages: number, looked: ReplayPlan, plan: ReplayPlan): number {
  const positions = ({ after, before }: ReplayPlan) => Number(BigInt(before) - BigInt(after)) - 1
  return Math.max(messages, Math.round((messages * positions(plan)) / Math.max(1, positions(looked))))
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
