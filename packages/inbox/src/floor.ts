import { OnceboxError, queryPrepared, type Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { TopicPartition } from '@oncebox/transport'
import type { MessageId } from './messageId.js'

/** What the transaction knows once its ids are inserted. */
export interface Gate {
  /** Ids whose time lies below were forgotten, or are about to be. Milliseconds. */
  readonly floorMs: number
  /** The database's clock, the one clock all consumers share. Milliseconds. */
  readonly nowMs: number
  /** The transaction's own number, to tell at the end that it is still the same. */
  readonly transaction: string
  /** True when any message of the group has failed attempts. */
  readonly failing: boolean
  /** True when keys of the group wait behind a message that cannot be handled. */
  readonly parking: boolean
  /** The next offset of the partition as it is stored now; null when none is. */
  readonly nextOffset: bigint | null
}

/**
 * Reads the floor. After the ids were inserted, never before: the insert holds the leaf, so a floor that is raised from
 * then on cannot be followed by the leaf's truncation while this transaction lasts, and one that was raised before is seen.
 * `partition` null: on transports without offsets.
 */
export async function readGate(tx: Tx, tables: Tables, group: string, partition: TopicPartition | null): Promise<Gate> {
  const { rows } = await queryPrepared<Row>(
    tx,
    `SELECT last_value::text AS floor,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS now,
       pg_current_xact_id()::text AS transaction,
       EXISTS (SELECT FROM ${tables.attempt} WHERE consumer = $1::text) AS failing,
       EXISTS (SELECT FROM ${tables.parkedKey} WHERE consumer = $1::text) AS parking,
       (SELECT next_offset FROM ${tables.consumerOffset} WHERE consumer = $1::text AND topic = $2::text
          AND topic_id = $3::text AND partition = $4::integer)::text AS next
     FROM ${tables.inboxFloor}`,
    [group, partition?.topic ?? null, partition?.topicId ?? null, partition?.partition ?? null],
  )
  const row = rows[0] as Row
  return {
    floorMs: Number(row.floor),
    nowMs: Number(row.now),
    transaction: row.transaction,
    failing: row.failing,
    parking: row.parking,
    nextOffset: row.next === null ? null : BigInt(row.next),
  }
}

interface Row {
  readonly floor: string
  readonly now: string
  readonly transaction: string
  readonly failing: boolean
  readonly parking: boolean
  readonly next: string | null
}

export type Refusal = 'MESSAGE_PAST_HORIZON' | 'MESSAGE_FROM_FUTURE'

/** Why a message that was not seen before must not run, or null. Pure. */
export function refusalOf(
  id: MessageId,
  gate: Pick<Gate, 'floorMs' | 'nowMs'>,
  limits: { readonly horizonMs: number; readonly futureMs: number },
): Refusal | null {
  if (id.timeMs < gate.nowMs - limits.horizonMs) return 'MESSAGE_PAST_HORIZON'
  if (id.kind !== 'ring') return null
  if (id.timeMs < gate.floorMs) return 'MESSAGE_PAST_HORIZON'
  return id.timeMs > gate.nowMs + limits.futureMs ? 'MESSAGE_FROM_FUTURE' : null
}

export function refusalError(refusal: Refusal): OnceboxError {
  return refusal === 'MESSAGE_PAST_HORIZON'
    ? new OnceboxError(refusal, 'The message is older than the horizon: whether it ran before can no longer be told', {
        next: 'Look whether its effect is there, then retry or discard it.',
      })
    : new OnceboxError(refusal, "The time in the message id is too far ahead of the database's clock", {
        next: "Mend the producer's clock, then retry it.",
      })
}
