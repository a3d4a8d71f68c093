import { encodeHeaders, OnceboxError, type Tx, type WireRecord } from '@oncebox/core'
import { defaultSchema, requireSchema, tables } from '@oncebox/schema'
import { matching, type PlannedReplay, type ReplayPlan, valuesOf } from './replay.js'

/** A replay for one consumer group: kept in the group's database, and gone on with from there. */
export interface ReplayRun {
  /** UUID. */
  readonly run: string
  readonly group: string
  readonly by: string
  readonly why: string
  /** RFC 3339 in UTC. */
  readonly askedAt: string
  readonly ended: boolean
  /** How many messages the plan found, and how many were asked for. */
  readonly messages: number
  readonly asked: number
}

const neededVersion = 10

const runColumns = `run::text AS run, consumer AS "group", asked_by AS by, why, ended_at IS NOT NULL AS ended, messages,
  to_char(asked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "askedAt"`

/**
 * Writes a run down, with who asks and why; nothing is asked for yet. Writes on `tx` of the group's database, which the caller
 * commits.
 *
 * @throws OnceboxError `INVALID_SETTING` when `by` or `why` is empty, `SCHEMA_NOT_MIGRATED`.
 */
export async function beginReplayRun(
  tx: Tx,
  options: {
    readonly schema?: string
    readonly run: string
    readonly group: string
    readonly plan: PlannedReplay
    readonly by: string
    readonly why: string
  },
): Promise<void> {
  const { schema = defaultSchema, run, group, plan, by, why } = options
  if (by.trim() === '') throw invalid('Nobody is named who asks for the messages')
  if (why.trim() === '') throw invalid('It is not said why the messages shall be handled again')
  await requireSchema(tx, { schema, minimumVersion: neededVersion })
  const { filter, before } = plan
  await tx.query(
    `INSERT INTO ${tables(schema).replayRun} (run, after_position, messages, consumer, asked_by, why, wanted)
     VALUES ($1::text::uuid, $2::text::bigint, $3::text::int, $4::text, $5::text, $6::text, $7::text::jsonb)`,
    [run, plan.after, String(plan.messages), group, by, why, JSON.stringify({ schema: plan.schema, filter, before })],
  )
}

/**
 * Runs of a group, the newest first: all that have not ended, or the one with this id. Reads on `tx`.
 *
 * @throws OnceboxError `INVALID_SETTING` for the schema name, `SCHEMA_NOT_MIGRATED`.
 */
export async function replayRuns(
  tx: Tx,
  options: { readonly schema?: string; readonly group?: string; readonly run?: string },
): Promise<ReplayRun[]> {
  const { schema = defaultSchema, group, run } = options
  await requireSchema(tx, { schema, minimumVersion: neededVersion })
  const { replayRun, replayRequest } = tables(schema)
  const { rows } = await tx.query<ReplayRun>(
    `SELECT ${runColumns},
       (SELECT count(*)::int FROM ${replayRequest} AS request WHERE request.run = each.run) AS asked
     FROM ${replayRun} AS each
     WHERE CASE WHEN $2::text IS NULL THEN ended_at IS NULL AND consumer = $1::text ELSE each.run = $2::text::uuid END
     ORDER BY each.asked_at DESC LIMIT 100`,
    [group ?? null, run ?? null],
  )
  return rows
}

/** What a step did. */
export interface AskStep {
  /** Messages that were asked for. */
  readonly asked: number
  /** Not asked for: they wait there anyway, or are dead letters. */
  readonly waiting: number
  readonly dead: number
  /** Whether there is more for a next step. */
  readonly more: boolean
}

/**
 * Asks for the next messages of a run, at most `limit`, each once for the run however often it is started: where it stands is
 * written in the same transaction. Reads on `outbox`, writes on `tx` of the group's database, which the caller commits; they may be
 * one. `handleAgain` is that of `@oncebox/inbox`.
 *
 * @throws OnceboxError `INVALID_SETTING` for the limit, or when there is no such run.
 */
export async function replayRunStep(
  outbox: Tx,
  tx: Tx,
  options: { readonly schema?: string; readonly run: string; readonly limit: number },
  handleAgain: (
    group: string,
    records: readonly WireRecord[],
    by: string,
  ) => Promise<{ readonly asked: number; readonly waiting: number; readonly dead: number }>,
): Promise<AskStep> {
  const { schema = defaultSchema, run, limit } = options
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) throw invalid('The limit is not from 1 to 10000')
  const { replayRun, replayRequest } = tables(schema)
  const found = await tx.query<{ after: string; group: string; by: string; ended: boolean; wanted: string }>(
    `SELECT after_position::text AS after, consumer AS "group", asked_by AS by, ended_at IS NOT NULL AS ended,
       wanted::text AS wanted
     FROM ${replayRun} WHERE run = $1::text::uuid FOR UPDATE`,
    [run],
  )
  const state = found.rows[0]
  if (state === undefined) throw invalid('There is no such run in this database')
  if (state.ended) return { asked: 0, waiting: 0, dead: 0, more: false }
  const plan: ReplayPlan = { ...(JSON.parse(state.wanted) as Omit<ReplayPlan, 'after'>), after: state.after }
  const rows = await outboxRows(outbox, plan, limit)
  const { rows: fresh } = await tx.query<{ id: string }>(
    `INSERT INTO ${replayRequest} (run, message_id)
     SELECT DISTINCT $1::text::uuid, each::uuid FROM json_array_elements_text($2::text::json) AS each
     ON CONFLICT DO NOTHING RETURNING message_id::text AS id`,
    [run, JSON.stringify(rows.map(({ id }) => id))],
  )
  const wanted = new Set(fresh.map(({ id }) => id))
  const first = rows.filter(({ id }) => wanted.delete(id))
  const nothing = { asked: 0, waiting: 0, dead: 0 }
  const done = first.length === 0 ? nothing : await handleAgain(state.group, first.map(recordOf), state.by)
  const more = rows.length === limit
  await tx.query(
    `UPDATE ${replayRun} SET after_position = $2::text::bigint, ended_at = CASE WHEN $3::text = 'no' THEN clock_timestamp() END
     WHERE run = $1::text::uuid`,
    [run, rows.at(-1)?.position ?? state.after, more ? 'yes' : 'no'],
  )
  return { ...done, more }
}

interface OutboxText {
  readonly position: string
  readonly id: string
  readonly source: string
  readonly topic: string
  readonly key: string | null
  readonly type: string
  readonly contentType: string | null
  readonly headers: string | null
  readonly payload: string | null
  readonly createdAt: string
}

async function outboxRows(tx: Tx, plan: ReplayPlan, limit: number): Promise<OutboxText[]> {
  const { rows } = await tx.query<OutboxText>(
    `SELECT position::text AS position, id::text AS id, source, topic, key, type, content_type AS "contentType",
       headers::text AS headers, translate(encode(payload, 'base64'), E'\\n', '') AS payload,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "createdAt"
     FROM ${tables(plan.schema).outbox} AS found WHERE ${matching(plan.filter)} ORDER BY found.position LIMIT ${limit}`,
    valuesOf(plan),
  )
  return rows
}

/** The record as the relay would publish it, but for partition and offset, which it does not have. */
function recordOf(row: OutboxText): WireRecord {
  const { topic, key, payload, headers, ...rest } = row
  const bytes = (text: string | null, encoding: 'utf8' | 'base64') =>
    text === null ? null : Buffer.from(text, encoding)
  const all = encodeHeaders({
    ...rest,
    topic,
    key,
    payload: null,
    headers: headers === null ? null : JSON.parse(headers),
  })
  return {
    topic,
    partition: 0,
    offset: null,
    timestamp: Date.parse(row.createdAt),
    key: bytes(key, 'utf8'),
    value: bytes(payload, 'base64'),
    headers: all.map(([name, value]) => [name, Buffer.from(value)] as const),
  }
}

function invalid(what: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what)
}
