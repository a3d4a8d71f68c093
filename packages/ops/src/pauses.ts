import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, requireSchema, tables } from '@oncebox/schema'

/** What can be paused: a lane, which stops whole, or a topic, whose messages are moved aside in order. */
export type PauseTarget = { readonly lane: number } | { readonly topic: string }

/** A pause that is in force. One of `lane` and `topic` is null. */
export interface Pause {
  readonly lane: number | null
  readonly topic: string | null
  /** For how long it has been in force. */
  readonly seconds: number
  readonly by: string
  readonly why: string | null
}

/** What is paused or resumed, by whom, and why. */
export interface PauseOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** Lanes and topics; at least one. */
  readonly targets: readonly PauseTarget[]
  /** Who decides: kept with the decision. */
  readonly by: string
  /** Why. Default: none. */
  readonly why?: string
}

/**
 * Asks the relays to publish nothing of these lanes and topics until `resumePublishing`. A running relay follows within about
 * a second; what is paused already stays as it is. Answers what was not paused before. Writes on `tx`, which the caller
 * commits.
 *
 * @throws OnceboxError `INVALID_SETTING` without targets or `by`, `LANE_MISSING`, `SCHEMA_NOT_MIGRATED`.
 */
export async function pausePublishing(tx: Tx, options: PauseOptions): Promise<PauseTarget[]> {
  const schema = checked(options)
  await requireSchema(tx, { schema, minimumVersion: neededVersion })
  const { pause, relayCursor } = tables(schema)
  const missing = await tx.query<{ lane: number }>(
    `SELECT lane FROM (${wanted}) AS target WHERE lane IS NOT NULL AND lane NOT IN (SELECT lane FROM ${relayCursor})`,
    [JSON.stringify(options.targets)],
  )
  if (missing.rows[0] !== undefined) {
    throw new OnceboxError('LANE_MISSING', `There is no lane ${missing.rows[0].lane}`, {
      next: 'See how many there are with "oncebox lanes".',
    })
  }
  const { rows } = await tx.query<Target>(
    `INSERT INTO ${pause} (lane, topic, paused_by, paused_why)
     SELECT lane, topic, $2::text, $3::text FROM (${wanted}) AS target
     ON CONFLICT DO NOTHING RETURNING lane::int AS lane, topic`,
    [JSON.stringify(options.targets), options.by, options.why ?? null],
  )
  return rows.map(targetOf)
}

/**
 * Lets lanes and topics go on; running relays follow within about a second, and what waited of a topic is published first, in
 * order. Answers what was paused. Writes on `tx`, which the caller commits.
 *
 * @throws OnceboxError `INVALID_SETTING` without targets or `by`, `SCHEMA_NOT_MIGRATED`.
 */
export async function resumePublishing(tx: Tx, options: PauseOptions): Promise<PauseTarget[]> {
  const schema = checked(options)
  await requireSchema(tx, { schema, minimumVersion: neededVersion })
  const { rows } = await tx.query<Target>(
    `UPDATE ${tables(schema).pause} AS paused
     SET resumed_at = clock_timestamp(), resumed_by = $2::text, resumed_why = $3::text
     FROM (${wanted}) AS target
     WHERE resumed_at IS NULL AND (paused.lane = target.lane OR paused.topic = target.topic)
     RETURNING paused.lane::int AS lane, paused.topic`,
    [JSON.stringify(options.targets), options.by, options.why ?? null],
  )
  return rows.map(targetOf)
}

/**
 * The pauses in force, the oldest first; none on a schema from before there were any. Reads on `tx`.
 *
 * @throws OnceboxError `INVALID_SETTING` for the schema name; the driver's error otherwise.
 */
export async function readPauses(tx: Tx, options: { readonly schema?: string } = {}): Promise<Pause[]> {
  const { pause } = tables(options.schema ?? defaultSchema)
  const there = await tx.query<{ there: boolean }>('SELECT to_regclass($1::text) IS NOT NULL AS there', [pause])
  if (there.rows[0]?.there !== true) return []
  const { rows } = await tx.query<Pause>(
    `SELECT lane::int AS lane, topic, paused_by AS by, paused_why AS why,
       greatest(0, extract(epoch FROM clock_timestamp() - paused_at))::int AS seconds
     FROM ${pause} AS paused WHERE resumed_at IS NULL ORDER BY paused.number`,
  )
  return rows
}

const neededVersion = 10

const wanted = `SELECT DISTINCT (each ->> 'lane')::smallint AS lane, each ->> 'topic' AS topic
  FROM json_array_elements($1::text::json) AS each`

interface Target {
  readonly lane: number | null
  readonly topic: string | null
}

function targetOf({ lane, topic }: Target): PauseTarget {
  return lane === null ? { topic: topic ?? '' } : { lane }
}

function checked({ schema, targets, by }: PauseOptions): string {
  if (targets.length === 0) throw new OnceboxError('INVALID_SETTING', 'It is not said what to pause or to resume')
  if (by.trim() === '') throw new OnceboxError('INVALID_SETTING', 'Nobody is named who decides about a pause')
  return schema ?? defaultSchema
}
