import type { Tx } from '@oncebox/core'
import { tables } from '@oncebox/schema'

/**
 * Seconds since the earliest scheduled message became due; null when none is due. A volatile clock could not use the index: all that
 * are scheduled would be gone through to find none.
 */
export async function readOverdue(tx: Tx, schema: string): Promise<number | null> {
  const { rows } = await tx.query<{ overdue: number }>(
    `SELECT extract(epoch FROM clock_timestamp() - due_at)::float8 AS overdue
     FROM ${tables(schema).scheduled} WHERE due_at <= statement_timestamp() ORDER BY due_at LIMIT 1`,
  )
  return rows[0]?.overdue ?? null
}
