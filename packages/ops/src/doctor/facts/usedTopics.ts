import type { Tx } from '@oncebox/core'
import { tables } from '@oncebox/schema'

/** A topic that this database knows. */
export interface UsedTopic {
  readonly topic: string
  /** Messages of it wait, or are among the last thousand written. */
  readonly written: boolean
  /** Groups of this database that read it. */
  readonly groups: readonly string[]
}

export async function readUsedTopics(tx: Tx, schema: string): Promise<UsedTopic[]> {
  const { outbox, parked, scheduled, pinnedTopic, consumerOffset } = tables(schema)
  const { rows } = await tx.query<{ topic: string; written: boolean; groups: string }>(
    `SELECT topic, bool_or(written) AS written, coalesce(json_agg(DISTINCT consumer) FILTER (WHERE consumer IS NOT NULL), '[]')::text AS groups
     FROM (
       (SELECT topic, true AS written, NULL AS consumer FROM ${outbox} ORDER BY position DESC LIMIT 1000)
       UNION ALL (SELECT topic, true, NULL FROM ${parked} ORDER BY number LIMIT 10000)
       UNION ALL (SELECT topic, true, NULL FROM ${scheduled} ORDER BY due_at LIMIT 1000)
       UNION ALL (SELECT topic, false, NULL FROM ${pinnedTopic})
       UNION ALL (SELECT topic, false, consumer FROM ${consumerOffset})
     ) AS known
     GROUP BY topic ORDER BY topic`,
  )
  return rows.map((row) => ({ ...row, groups: JSON.parse(row.groups) as string[] }))
}
