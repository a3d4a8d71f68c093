import type { Tables } from '@oncebox/schema'
import { leaseHeld } from './cursor.js'
import type { Lease } from './lease.js'
import type { Session } from './session.js'

/**
 * Moves messages that have come due into the outbox, in the order of their times, up to both limits, at least one where there is
 * one; one statement, one transaction (now() is its time; a volatile clock could not use the index). From there they go the way
 * of all others. It holds the lane's row, which the renewal of the lease waits for. The rows are locked along the index on
 * their numbers: lanes that move the same ones wait for each other, and never crosswise (with IN they were locked in the order of a
 * hash table). Their `created_at` is the time of the move: leaves are as old as their last row, and searches by time go by
 * position. Resolves to how many were moved, or null when the lease is lost.
 */
export async function moveDue(
  session: Session,
  tables: Tables,
  lease: Lease,
  limits: { readonly messages: number; readonly bytes: number },
): Promise<number | null> {
  const columns = 'id, source, topic, key, type, content_type, headers, payload'
  const [row] = await session.rows(
    `WITH lease AS (${leaseHeld(tables)}),
    first AS (
      SELECT number, due_at, coalesce(octet_length(payload), 0) AS bytes FROM ${tables.scheduled}
      WHERE due_at <= now() AND EXISTS (SELECT FROM lease)
      ORDER BY due_at, number LIMIT $4::int
    ),
    fitting AS (
      SELECT number, bytes, sum(bytes) OVER (ORDER BY due_at, number) AS running FROM first
    ),
    due AS (
      DELETE FROM ${tables.scheduled}
      WHERE number = ANY (ARRAY(SELECT number FROM fitting WHERE running <= $5::bigint OR running = bytes))
      RETURNING due_at, number, ${columns}
    ),
    moved AS (
      INSERT INTO ${tables.outbox} (${columns}) SELECT ${columns} FROM due ORDER BY due_at, number
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM lease), (SELECT count(*) FROM moved)`,
    [lease.lane, lease.epoch, lease.token, limits.messages, limits.bytes],
    'oncebox_due',
  )
  return row?.[0] === '0' ? null : Number(row?.[1] ?? 0)
}
