import type { Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { TopicPartition } from '@oncebox/transport'

/** A partition that its last holder did not give back: it may have been ended by a message of it. */
export interface Unfinished {
  readonly partition: TopicPartition
  /** How many messages at a time it had handled with care, the fewest of several holders; null: it was not careful. */
  readonly atATime: number | null
}

/**
 * Marks partitions as held by `holder` (a UUID of this consumer) and answers those on which a mark of somebody else
 * stands.
 */
export async function holdPartitions(
  tx: Tx,
  tables: Tables,
  group: string,
  holder: string,
  partitions: readonly TopicPartition[],
): Promise<readonly Unfinished[]> {
  const wanted = jsonOf(partitions)
  await tx.query(
    `INSERT INTO ${tables.heldPartition} (consumer, holder, topic, topic_id, partition)
     SELECT $1::text, $2::text::uuid, wanted ->> 0, wanted ->> 1, (wanted ->> 2)::integer
     FROM json_array_elements($3::text::json) AS wanted
     ON CONFLICT DO NOTHING`,
    [group, holder, wanted],
  )
  const { rows } = await tx.query<{ place: number; at_a_time: number | null }>(
    `SELECT (place - 1)::integer AS place, min(held.at_a_time) AS at_a_time
     FROM json_array_elements($3::text::json) WITH ORDINALITY AS listed (wanted, place)
     JOIN ${tables.heldPartition} AS held
       ON held.consumer = $1::text AND held.holder <> $2::text::uuid AND held.topic = wanted ->> 0
       AND held.topic_id = wanted ->> 1 AND held.partition = (wanted ->> 2)::integer
     GROUP BY place ORDER BY place`,
    [group, holder, wanted],
  )
  return rows.map(({ place, at_a_time: atATime }) => ({ partition: partitions[place] as TopicPartition, atATime }))
}

/** Writes on the holder's own mark how many messages at a time it handles; null: as many as it likes. */
export async function noteAtATime(
  tx: Tx,
  tables: Tables,
  group: string,
  holder: string,
  { topic, topicId, partition }: TopicPartition,
  atATime: number | null,
): Promise<void> {
  await tx.query(
    `UPDATE ${tables.heldPartition} SET at_a_time = $6::integer
     WHERE consumer = $1::text AND holder = $2::text::uuid AND topic = $3::text AND topic_id = $4::text
       AND partition = $5::integer`,
    [group, holder, topic, topicId, partition, atATime],
  )
}

/** Takes the holder's own marks away: it gives the partitions back in good order. */
export async function releasePartitions(
  tx: Tx,
  tables: Tables,
  group: string,
  holder: string,
  partitions: readonly TopicPartition[],
): Promise<void> {
  await deleteMarks(tx, tables, [group, holder, jsonOf(partitions)], 'held.holder = $2::text::uuid')
}

/** Takes the marks of others away: what they stopped at has been passed, and the holder is careful no more. */
export async function forgetHolders(
  tx: Tx,
  tables: Tables,
  group: string,
  holder: string,
  partition: TopicPartition,
): Promise<void> {
  await noteAtATime(tx, tables, group, holder, partition, null)
  await deleteMarks(tx, tables, [group, holder, jsonOf([partition])], 'held.holder <> $2::text::uuid')
}

async function deleteMarks(tx: Tx, tables: Tables, values: readonly string[], whose: string): Promise<void> {
  await tx.query(
    `DELETE FROM ${tables.heldPartition} AS held
     USING json_array_elements($3::text::json) AS wanted
     WHERE held.consumer = $1::text AND ${whose} AND held.topic = wanted ->> 0
       AND held.topic_id = wanted ->> 1 AND held.partition = (wanted ->> 2)::integer`,
    values,
  )
}

function jsonOf(partitions: readonly TopicPartition[]): string {
  return JSON.stringify(partitions.map(({ topic, topicId, partition }) => [topic, topicId, partition]))
}
