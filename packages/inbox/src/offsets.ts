import { OnceboxError, queryPrepared, type Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { TopicPartition } from '@oncebox/transport'

/** The offset of one partition to store. */
export interface NextOffset extends TopicPartition {
  /** Decimal text. */
  readonly nextOffset: string
  /** The stored offset is of another life of the topic: overwrite it, even by a smaller one. */
  readonly overwrite: boolean
}

/** The offsets (decimal text) the group stored with its effects, for those partitions that have one. */
export async function storedOffsets(
  tx: Tx,
  tables: Tables,
  group: string,
  partitions: readonly TopicPartition[],
): Promise<Map<TopicPartition, string>> {
  const wanted = partitions.map(({ topic, topicId, partition }, position) => [position, topic, topicId, partition])
  const { rows } = await tx.query<{ position: number; next_offset: string }>(
    `SELECT (wanted ->> 0)::integer AS position, stored.next_offset::text
     FROM json_array_elements($2::text::json) AS wanted
     JOIN ${tables.consumerOffset} AS stored
       ON stored.consumer = $1::text AND stored.topic = wanted ->> 1 AND stored.topic_id = wanted ->> 2
       AND stored.partition = (wanted ->> 3)::integer`,
    [group, JSON.stringify(wanted)],
  )
  return new Map(rows.map((row) => [partitions[row.position] as TopicPartition, row.next_offset]))
}

/**
 * The last statement before COMMIT: fails (25P02) when a statement failed before and the error was swallowed, finds out
 * whether `transaction` is still open, raises `synchronous_commit` from off to on (an effect that a crash takes back
 * after its ack would be lost), and stores the next offset, which never goes back: a consumer that lost its partition
 * may still commit.
 *
 * @throws OnceboxError `TRANSACTION_ENDED` when a handler ended the transaction.
 */
export async function finish(
  tx: Tx,
  tables: Tables,
  group: string,
  transaction: string,
  next: NextOffset | null,
): Promise<void> {
  const raise = `CASE WHEN current_setting('synchronous_commit') = 'off'
    THEN set_config('synchronous_commit', 'on', true) END`
  const check = 'coalesce(pg_current_xact_id_if_assigned()::text = $1::text, false) AS same'
  const { rows } =
    next === null
      ? await queryPrepared<{ same: boolean }>(tx, `SELECT ${check}, ${raise}`, [transaction])
      : await queryPrepared<{ same: boolean }>(
          tx,
          `WITH verified AS MATERIALIZED (SELECT ${check}), written AS (
             INSERT INTO ${tables.consumerOffset} AS stored (consumer, topic, topic_id, partition, next_offset)
             SELECT $2::text, $3::text, $4::text, $5::integer, $6::text::bigint FROM verified WHERE same
             ON CONFLICT (consumer, topic, topic_id, partition) DO UPDATE
             SET next_offset = excluded.next_offset, updated_at = clock_timestamp()
             WHERE stored.next_offset < excluded.next_offset OR $7::boolean
           )
           SELECT same, ${raise} FROM verified`,
          [transaction, group, next.topic, next.topicId, next.partition, next.nextOffset, next.overwrite],
        )
  if (rows[0]?.same !== true) {
    throw new OnceboxError('TRANSACTION_ENDED', "A handler ended the consumer's transaction", {
      next: 'Run no BEGIN, COMMIT or ROLLBACK on trx or tx; use savepoints.',
    })
  }
}
