import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, laneOfKey, requireSchema, type Tables, tables as tablesOf } from '@oncebox/schema'
import { commonProgress } from './commonProgress.js'
import type { Progress } from './progress.js'

/** More would be more sessions than a Postgres likes. */
const mostLanes = 64

export interface LanesChanged {
  readonly before: number
  readonly lanes: number
  /** True when the lanes stood alike: then only what running relays have not written down yet is published twice. */
  readonly exact: boolean
}

/**
 * Shares the keys out over `lanes` lanes (1 to 64), while relays run or not. Every lane begins where all lanes before had
 * got to; what some of them had published past there is published again, which inboxes absorb, and the order of first
 * deliveries stays (a relay that still publishes for an old lane sends copies of one rising sequence). All leases end:
 * running relays notice at their next write and acquire their lanes anew. Relays for lanes that are new have to be started.
 *
 * Joins the transaction of `tx`, which has to be READ COMMITTED.
 *
 * @throws OnceboxError `INVALID_SETTING`
 */
export async function changeLanes(
  tx: Tx,
  lanes: number,
  options: { readonly schema?: string } = {},
): Promise<LanesChanged> {
  if (!Number.isSafeInteger(lanes) || lanes < 1 || lanes > mostLanes) {
    throw new OnceboxError('INVALID_SETTING', `The number of lanes is ${lanes}`, {
      next: `Use a whole number from 1 to ${mostLanes}.`,
    })
  }
  const tables = tablesOf(options.schema ?? defaultSchema)
  const before = await lockLanes(tx, tables)
  const common = commonProgress(before)
  const exact = before.every((lane) => JSON.stringify(lane) === JSON.stringify(common))
  if (before.length === lanes) return { before: before.length, lanes, exact: true }
  await tx.query(`DELETE FROM ${tables.relayCursor} WHERE lane >= $1::text::int`, [String(lanes)])
  const values = [common.last, common.page?.upper ?? null, common.page?.position ?? null]
  await tx.query(
    `UPDATE ${tables.relayCursor} SET epoch = epoch + 1, token = NULL, holder = NULL, expires_at = NULL,
      last_snapshot = $1::text::pg_snapshot, upper_snapshot = $2::text::pg_snapshot, page_position = $3::text::bigint`,
    values,
  )
  await tx.query(
    `INSERT INTO ${tables.relayCursor} (lane, last_snapshot, upper_snapshot, page_position)
    SELECT lane, $1::text::pg_snapshot, $2::text::pg_snapshot, $3::text::bigint
    FROM generate_series($4::text::int, $5::text::int - 1) AS lane`,
    [...values, String(before.length), String(lanes)],
  )
  await tx.query(`UPDATE ${tables.parked} SET lane = ${laneOfKey('key', lanes)}`)
  return { before: before.length, lanes, exact }
}

/** The lanes there are, in order. Reads on `tx`. @throws OnceboxError `SCHEMA_NOT_MIGRATED` */
export async function readLanes(tx: Tx, options: { readonly schema?: string } = {}): Promise<number[]> {
  const schema = options.schema ?? defaultSchema
  await requireSchema(tx, { schema })
  const { rows } = await tx.query<{ lane: number }>(
    `SELECT lane::int AS lane FROM ${tablesOf(schema).relayCursor} ORDER BY lane`,
  )
  return rows.map(({ lane }) => lane)
}

/** Holds every lane until the transaction ends: nobody acquires one, or writes progress, meanwhile. */
async function lockLanes(tx: Tx, tables: Tables): Promise<Progress[]> {
  await tx.query(`LOCK TABLE ${tables.relayCursor} IN SHARE ROW EXCLUSIVE MODE`)
  const { rows } = await tx.query<{ last: string; upper: string | null; position: string | null }>(
    `SELECT last_snapshot::text AS last, upper_snapshot::text AS upper, page_position::text AS position
    FROM ${tables.relayCursor} ORDER BY lane`,
  )
  return rows.map(({ last, upper, position }) => ({
    last,
    page: upper === null || position === null ? null : { upper, position },
  }))
}
