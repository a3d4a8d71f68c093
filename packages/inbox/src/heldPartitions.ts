import type { Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { TopicPartition } from '@oncebox/transport'

/** A partition that its last holder did not give back: it may have been ended by a message of it. */
export interface Unfinished {
  readonly partition: TopicPartition
  /** Identities of what it had noted as in hand: of several holders, all of theirs. */
  readonly inHand: readonly string[]
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
  const { rows } = await tx.query<{ place: number; in_hand: string | null }>(
    `SELECT (place - 1)::integer AS place, held.in_hand::text AS in_hand
     FROM json_array_elements($3::text::json) WITH ORDINALITY AS listed (wanted, place)
     JOIN ${tables.heldPartition} AS held
       ON held.consumer = $1::text AND held.holder <> $2::text::uuid AND held.topic = wanted ->> 0
       AND held.topic_id = wanted ->> 1 AND held.partition = (wanted ->> 2)::integer`,
    [group, holder, wanted],
  )
  const marks = Map.groupBy(rows, ({ place }) => place)
  return Array.from(marks, ([place, own]) => ({
    partition: partitions[place] as TopicPartition,
    inHand: own.flatMap(({ in_hand: inHand }) => (inHand === null ? [] : (JSON.parse(inHand) as string[]))),
  }))
}

/** Notes on the holder's own mark what it is about to handle; null: it is careful no more. */
export async function noteInHand(
  tx: Tx,
  tables: Tables,
  group: string,
  holder: string,
  { topic, topicId, partition }: TopicPartition,
  identities: readonly string[] | null,
): Promise<void> {
  await tx.query(
    `UPDATE ${tables.heldPartition} SET in_hand = $6::text::json
     WHERE consumer = $1::text AND holder = $2::text::uuid AND topic = $3::text AND topic_id = $4::text
       AND partition = $5::integer`,
    [group, holder, topic, topicId, partition, identities === null ? null : JSON.stringify(identities)],
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
  await noteInHand(tx, tables, group, holder, partition, null)
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
