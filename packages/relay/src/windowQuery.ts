import { OnceboxError, type OutboxRow } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { TextRow } from './session.js'

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

const columns = 'position, id, source, topic, key, type, headers, payload, content_type, created_at'

/** Rough bytes of a row in memory beside its payload. The sizes are read from the TOAST pointer, not the value. */
const rowBytes = 'coalesce(octet_length(payload), 0) + coalesce(pg_column_size(headers), 0) + 300'

/**
 * A fresh window. $1 last snapshot, $2 row limit, $3 byte limit.
 *
 * One statement finds the rows that its snapshot sees and `last` did not, and names its snapshot: nothing lies between.
 * The two arms are disjoint (xip lies below xmax) and fenced by OFFSET 0, so that each can only use the index on xid:
 * the index on position would walk through everything retained to find the first new row.
 */
export function windowStatement(tables: Tables, share: LaneShare): string {
  const arm = (condition: string) =>
    `SELECT ${columns} FROM ${tables.outbox} WHERE ${condition}${laneCondition(share)} OFFSET 0`
  return statement(
    tables,
    `SELECT ${columns} FROM (
      (${arm('xid >= pg_snapshot_xmax($1::pg_snapshot)')})
      UNION ALL
      (${arm('xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot)))')})
    ) AS fresh ORDER BY position LIMIT $2::int`,
    '$3',
  )
}

/**
 * A further page of a window that was cut. $1 last snapshot, $2 row limit, $3 byte limit, $4 upper snapshot, $5 position.
 *
 * Functions instead of comparisons on xid, so that only the index on position serves, in order, from $5 on.
 */
export function pageStatement(tables: Tables, share: LaneShare): string {
  return statement(
    tables,
    `SELECT ${columns} FROM ${tables.outbox}
      WHERE position > $5::bigint
        AND pg_visible_in_snapshot(xid, $4::pg_snapshot)
        AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)${laneCondition(share)}
      ORDER BY position LIMIT $2::int`,
    '$3',
  )
}

/** Header row, then the rows up to the byte limit, at least one. The header comes in the same statement, once. */
function statement(tables: Tables, rows: string, byteLimit: string): string {
  return `WITH page AS MATERIALIZED (
    SELECT *, sum(${rowBytes}) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) - (${rowBytes}) AS bytes_before
    FROM (${rows}) AS rows
  )
  SELECT json_build_object(
      'snapshot', pg_current_snapshot()::text,
      'recovery', pg_is_in_recovery(),
      'xid', pg_current_xact_id_if_assigned()::text,
      'count', (SELECT count(*) FROM page),
      'due', EXISTS (SELECT FROM ${tables.scheduled} WHERE due_at <= now())
    )::text AS header,
    NULL::bigint, NULL::uuid, NULL::text, NULL::text, NULL::text, NULL::text, NULL::jsonb, NULL::bytea, NULL::text,
    NULL::timestamptz
  UNION ALL
  SELECT NULL, ${columns} FROM page WHERE bytes_before < ${byteLimit}::bigint`
}

/** hashtext is not promised to stay the same between major versions; lanes change only at one common snapshot anyway. */
function laneCondition({ lane, lanes }: LaneShare): string {
  if (lanes === 1) return ''
  return ` AND (hashtextextended(coalesce(key, ''), 0) & 9223372036854775807) % ${lanes} = ${lane}`
}

/** What came back of one of the statements above. */
export interface WindowResult {
  /** The statement's own snapshot. */
  readonly snapshot: string
  readonly due: boolean
  /** How many rows there were within the row limit; fewer are in `rows` when bytes ran out. */
  readonly count: number
  readonly rows: readonly OutboxRow[]
}

/** @throws OnceboxError `DATABASE_NOT_PRIMARY`, `WINDOW_IN_TRANSACTION` */
export function readWindow(result: readonly TextRow[]): WindowResult {
  let header: { snapshot: string; recovery: boolean; xid: string | null; count: number; due: boolean } | undefined
  const rows: OutboxRow[] = []
  for (const row of result) {
    if (row[0] === null) rows.push(outboxRow(row))
    else header = JSON.parse(row[0] as string)
  }
  if (header === undefined) throw new Error('a window came without its header row')
  if (header.recovery) {
    throw new OnceboxError(
      'DATABASE_NOT_PRIMARY',
      'A window was asked for on a standby, whose snapshots name no running transactions',
      {
        next: 'Point the relay at the primary.',
      },
    )
  }
  if (header.xid !== null) {
    throw new OnceboxError(
      'WINDOW_IN_TRANSACTION',
      'A window was asked for in a transaction that has written, which its own snapshot does not name',
      {
        next: 'Give the relay a direct session or one pooled by session.',
      },
    )
  }
  return { snapshot: header.snapshot, due: header.due, count: header.count, rows }
}

/** Columns as listed above, from index 1. */
export function outboxRow(row: TextRow): OutboxRow {
  return {
    position: row[1] as string,
    id: row[2] as string,
    source: row[3] as string,
    topic: row[4] as string,
    key: row[5] as string | null,
    type: row[6] as string,
    headers: row[7] === null ? null : JSON.parse(row[7] as string),
    payload: row[8] === null ? null : Buffer.from((row[8] as string).slice(2), 'hex'),
    contentType: row[9] as string | null,
    createdAt: rfc3339(row[10] as string),
  }
}

/** `2026-11-22 19:33:00.5+00`, as a session in UTC writes it, in RFC 3339 with microseconds. */
export function rfc3339(timestamp: string): string {
  const seconds = timestamp.slice(0, 19).replace(' ', 'T')
  const fraction = timestamp.charCodeAt(19) === 46 ? timestamp.slice(20, -3) : ''
  return `${seconds}.${fraction.padEnd(6, '0')}Z`
}
