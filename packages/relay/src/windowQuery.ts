import { OnceboxError } from '@oncebox/core'
import { laneOfKey, type Tables } from '@oncebox/schema'
import { type Entry, entryColumns } from './entry.js'
import type { PageReader } from './pageReader.js'

/** Which part of the keys a lane takes; with one lane, everything. */
export interface LaneShare {
  readonly lane: number
  readonly lanes: number
}

/**
 * Planner settings of the session that reads windows. Plans are made once, for parameters unknown, and whatever a leaf's
 * statistics say (a leaf never analyzed, a leaf with everything retained) they can only be the two index scans meant here.
 */
export const windowSessionSettings = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_sort: 'off',
} as const

/**
 * A fresh window, in order, where it holds fewer rows than the limit. $1 last snapshot, $2 row limit. As many as the limit:
 * it is larger, and these are any of its rows.
 *
 * One statement finds the rows that its snapshot sees and `last` did not, and names its snapshot: nothing lies between.
 */
export function windowStatement(tables: Tables, share: LaneShare): string {
  return statement(
    tables,
    `SELECT ${entryColumns} FROM (
      SELECT ${entryColumns} FROM (${fresh(tables, share, entryColumns)}) AS fresh LIMIT $2::int
    ) AS window_rows ORDER BY position`,
  )
}

/** Where a fresh window begins that is too large for one statement: the header alone, with its first position. $1 last. */
export function locateStatement(tables: Tables, share: LaneShare): string {
  const first = `(SELECT min(position)::text FROM (${fresh(tables, share, 'position')}) AS fresh)`
  return `SELECT ${header(tables, `'first', ${first}`)}`
}

/**
 * Rows that the statement's snapshot sees and $1 did not, in no order. The two arms are disjoint (xip lies below xmax) and
 * fenced by OFFSET 0, so that each can only use the index on xid: the index on position would walk through everything
 * retained to find the first new row.
 */
function fresh(tables: Tables, share: LaneShare, columns: string): string {
  const arm = (condition: string) =>
    `SELECT ${columns} FROM ${tables.outbox} WHERE ${condition}${laneCondition(share)} OFFSET 0`
  return `
      (${arm('xid >= pg_snapshot_xmax($1::pg_snapshot)')})
      UNION ALL
      (${arm('xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot)))')})`
}

/**
 * A further page of a window that was cut. $1 last snapshot, $2 row limit, $3 upper snapshot, $4 position.
 *
 * Functions instead of comparisons on xid, so that only the index on position serves, in order, from $4 on.
 */
export function pageStatement(tables: Tables, share: LaneShare): string {
  return statement(
    tables,
    `SELECT ${entryColumns} FROM ${tables.outbox}
      WHERE position > $4::bigint
        AND pg_visible_in_snapshot(xid, $3::pg_snapshot)
        AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)${laneCondition(share)}
      ORDER BY position LIMIT $2::int`,
  )
}

/**
 * Asks for the header alone. Where its snapshot is the last one, a window would be empty: what the same snapshot sees is
 * the same rows, whichever transactions ended meanwhile. It touches no leaf, so it costs half of an empty window.
 */
export function probeStatement(tables: Tables): string {
  return `SELECT ${header(tables)}`
}

/** Header row, then the rows: in one statement, hence of one snapshot. UNION ALL runs its arms one after the other. */
function statement(tables: Tables, rows: string): string {
  return `SELECT ${header(tables)},
    NULL::bigint, NULL::uuid, NULL::timestamptz, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::jsonb,
    NULL::bytea
  UNION ALL (SELECT NULL, ${entryColumns} FROM (${rows}) AS rows)`
}

function header(tables: Tables, more = `'first', NULL`): string {
  return `json_build_object(
      ${more},
      'snapshot', pg_current_snapshot()::text,
      'recovery', pg_is_in_recovery(),
      'xid', pg_current_xact_id_if_assigned()::text,
      'due', EXISTS (SELECT FROM ${tables.scheduled} WHERE due_at <= now())
    )::text AS header`
}

function laneCondition({ lane, lanes }: LaneShare): string {
  return lanes === 1 ? '' : ` AND ${laneOfKey('key', lanes)} = ${lane}`
}

interface Header {
  readonly first: string | null
  readonly snapshot: string
  readonly recovery: boolean
  readonly xid: string | null
  readonly due: boolean
}

/** What came back of one of the statements above. */
export interface WindowResult {
  /** The statement's own snapshot. */
  readonly snapshot: string
  readonly due: boolean
  /** The first position of a window that was located. */
  readonly first: string | null
  readonly entries: readonly Entry[]
  /** True when rows may be left: there were as many as the row limit allows, or bytes ran out. */
  readonly cut: boolean
}

/** @throws OnceboxError `DATABASE_NOT_PRIMARY`, `WINDOW_IN_TRANSACTION` */
export function windowResult({ header, entries, cut }: PageReader): WindowResult {
  if (header === undefined) throw new Error('a window came without its header row')
  const { snapshot, due, first, ...session }: Header = JSON.parse(header.toString())
  requirePrimary(session)
  return { snapshot, due, first, entries, cut }
}

function requirePrimary({ recovery, xid }: Pick<Header, 'recovery' | 'xid'>): void {
  if (recovery) {
    throw new OnceboxError(
      'DATABASE_NOT_PRIMARY',
      'A window was asked for on a standby, whose snapshots name no running transactions',
      { next: 'Point the relay at the primary.' },
    )
  }
  if (xid !== null) {
    throw new OnceboxError(
      'WINDOW_IN_TRANSACTION',
      'A window was asked for in a transaction that has written, which its own snapshot does not name',
      { next: 'Give the relay a direct session or one pooled by session.' },
    )
  }
}
