import type { Tx } from '@oncebox/core'
import { tables } from '@oncebox/schema'

/** A topic that this database knows. */
export interface UsedTopic {
  readonly topic: string
  /** Messages of it wait, or are among the last thousand written. */
  readonly written: boolean
  /** Groups of this database that read it. */
  readonly groups: readonly string[]
  /** Partitions that its keys are spread over; null when no relay has published to it. */
  readonly pinned: number | null
}

export async function readUsedTopics(tx: Tx, schema: string): Promise<UsedTopic[]> {
  const { outbox, parked, scheduled, pinnedTopic, consumerOffset } = tables(schema)
  const { rows } = await tx.query<{ topic: string; written: boolean; groups: string; pinned: number | null }>(
    `SELECT topic, bool_or(written) AS written, max(pinned) AS pinned,
       coalesce(json_agg(DISTINCT consumer) FILTER (WHERE consumer IS NOT NULL), '[]')::text AS groups
     FROM (
       (SELECT topic, true AS written, NULL AS consumer, NULL::int AS pinned FROM ${outbox} ORDER BY position DESC LIMIT 1000)
       UNION ALL (SELECT topic, true, NULL, NULL FROM ${parked} ORDER BY number LIMIT 10000)
       UNION ALL (SELECT topic, true, NULL, NULL FROM ${scheduled} ORDER BY due_at LIMIT 1000)
       UNION ALL (SELECT topic, false, NULL, partitions FROM ${pinnedTopic})
       UNION ALL (SELECT topic, false, consumer, NULL FROM ${consumerOffset})
     ) AS known
     GROUP BY topic ORDER BY topic`,
  )
  return rows.map((row) => ({ ...row, groups: JSON.parse(row.groups) as string[] }))
}
