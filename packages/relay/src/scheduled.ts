import type { Tables } from '@oncebox/schema'
import { leaseHeld } from './cursor.js'
import type { Lease } from './lease.js'
import type { Session } from './session.js'

/**
 * Moves messages that have come due into the outbox, in the order of their times, at most `limit`; one statement, one
 * transaction (now() is its time; a volatile clock could not use the index). From there they go the way of all others. Resolves to how many were moved, or null when the lease is lost.
 */
export async function moveDue(session: Session, tables: Tables, lease: Lease, limit: number): Promise<number | null> {
  const columns = 'created_at, id, source, topic, key, type, content_type, headers, payload'
  const [row] = await session.rows(
    `WITH lease AS (${leaseHeld(tables)}),
    due AS (
      DELETE FROM ${tables.scheduled}
      WHERE number IN (
        SELECT number FROM ${tables.scheduled}
        WHERE due_at <= now() AND EXISTS (SELECT FROM lease)
        ORDER BY due_at, number LIMIT $4::int
      )
      RETURNING due_at, number, ${columns}
    ),
    moved AS (
      INSERT INTO ${tables.outbox} (${columns}) SELECT ${columns} FROM due ORDER BY due_at, number
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM lease), (SELECT count(*) FROM moved)`,
    [lease.lane, lease.epoch, lease.token, limit],
    'oncebox_due',
  )
  return row?.[0] === '0' ? null : Number(row?.[1] ?? 0)
}
