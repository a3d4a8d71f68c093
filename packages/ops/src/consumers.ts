import type { Tx } from '@oncebox/core'
import { tables } from '@oncebox/schema'

/** One consumer group, as this database knows it. */
export interface ConsumerStatus {
  readonly group: string
  /** Messages given up on that wait in the dead letters. Counted up to 100,000 over all groups. */
  readonly deadLetters: number
  /** Messages that failed at least once and are neither handled nor given up on. */
  readonly failing: number
  /** Empty for a group whose transport has no offsets (pg-boss), and nothing that waits. */
  readonly partitions: readonly PartitionStatus[]
}

/** One partition, as a consumer group has left it. */
export interface PartitionStatus {
  readonly topic: string
  readonly partition: number
  /** The next offset to read, as decimal text; null when only dead letters are known. */
  readonly nextOffset: string | null
  readonly deadLetters: number
}

const countedUpTo = 100_000

interface Row {
  consumer: string
  topic: string
  partition: number
  nextOffset: string | null
  deadLetters: number
}

/** Reads every group that has an offset, a dead letter, a failing message or an id that is remembered. */
export async function readConsumers(tx: Tx, schema: string): Promise<ConsumerStatus[]> {
  const { consumerOffset, deadLetter, attempt, inbox } = tables(schema)
  // A topic that was deleted and made again has offsets under both of its ids: the newer ones count.
  const partitions = await tx.query<Row>(
    `WITH known AS (
       SELECT DISTINCT ON (consumer, topic, partition) consumer, topic, partition, next_offset
       FROM ${consumerOffset} ORDER BY consumer, topic, partition, updated_at DESC
     ), dead AS (
       SELECT consumer, topic, partition, count(*)::int AS letters
       FROM (SELECT consumer, topic, partition FROM ${deadLetter} LIMIT ${countedUpTo}) AS bounded
       GROUP BY consumer, topic, partition
     )
     SELECT consumer, topic, partition, known.next_offset::text AS "nextOffset", coalesce(dead.letters, 0) AS "deadLetters"
     FROM known FULL JOIN dead USING (consumer, topic, partition)
     ORDER BY consumer, topic, partition`,
  )
  const attempts = await tx.query<{ consumer: string; failing: number }>(
    `SELECT consumer, count(*)::int AS failing
     FROM (SELECT consumer FROM ${attempt} LIMIT ${countedUpTo}) AS bounded
     GROUP BY consumer`,
  )
  const failingOf = new Map(attempts.rows.map((row) => [row.consumer, row.failing]))
  // From name to name along the index, however many ids there are:
  // https://wiki.postgresql.org/wiki/Loose_indexscan
  const remembered = await tx.query<{ consumer: string }>(
    `WITH RECURSIVE named AS (
       (SELECT consumer FROM ${inbox} ORDER BY consumer LIMIT 1)
       UNION ALL
       SELECT (SELECT consumer FROM ${inbox} WHERE consumer > named.consumer ORDER BY consumer LIMIT 1)
       FROM named WHERE named.consumer IS NOT NULL
     )
     SELECT consumer FROM named WHERE consumer IS NOT NULL`,
  )
  const groups = new Set([...partitions.rows, ...attempts.rows, ...remembered.rows].map(({ consumer }) => consumer))
  return [...groups].sort().map((group) => {
    const own = partitions.rows.filter((row) => row.consumer === group)
    return {
      group,
      deadLetters: own.reduce((sum, row) => sum + row.deadLetters, 0),
      failing: failingOf.get(group) ?? 0,
      partitions: own.map(({ topic, partition, nextOffset, deadLetters }) => {
        return { topic, partition, nextOffset, deadLetters }
      }),
    }
  })
}
