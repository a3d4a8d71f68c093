import type { Tx } from '@oncebox/core'
import { defaultSchema, requireSchema, tables } from '@oncebox/schema'
import type { Inspector } from '@oncebox/transport'

/** A topic that a relay has published to: over how many partitions its keys are spread, and how many it has. */
export interface PinnedTopic {
  readonly topic: string
  readonly pinned: number
  /** Partitions that it has now; null when the brokers were not asked, or do not have the topic. */
  readonly partitions: number | null
  readonly paused: boolean
}

/**
 * Every topic that a relay of this database has published to, by name. Reads on `tx`.
 *
 * @throws OnceboxError `SCHEMA_NOT_MIGRATED`, `INVALID_SETTING` for the schema name, and what the inspector throws.
 */
export async function readPinnedTopics(
  tx: Tx,
  options: { readonly schema?: string; readonly inspector: Inspector | null },
): Promise<PinnedTopic[]> {
  const { schema = defaultSchema, inspector } = options
  await requireSchema(tx, { schema, minimumVersion: 10 })
  const { pinnedTopic, pause } = tables(schema)
  const { rows } = await tx.query<{ topic: string; pinned: number; paused: boolean }>(
    `SELECT topic, partitions AS pinned,
       EXISTS (SELECT FROM ${pause} AS paused WHERE paused.topic = pinned.topic AND resumed_at IS NULL) AS paused
     FROM ${pinnedTopic} AS pinned ORDER BY topic`,
  )
  const found = await inspector?.topics(rows.map(({ topic }) => topic))
  return rows.map((row) => ({ ...row, partitions: found?.get(row.topic)?.partitions ?? null }))
}
