import { partitionOf, type Tx } from '@oncebox/core'
import { tables } from '@oncebox/schema'
import type { MessageWrite } from './messageWrites.js'
import { type Publication, publicationsOf } from './publications.js'

/** A publish that a message was part of. */
export interface MessagePublication {
  /** RFC 3339 in UTC. */
  readonly at: string
  readonly topic: string
  readonly partition: number
  /** Decimal text; null where the transport has none, or the batch cannot be told apart any more. */
  readonly offset: string | null
  /** False when the message has no key: then it may have gone to any partition, and these are all that it can be. */
  readonly certain: boolean
}

/** Batches with more rows than this between their ends are not counted through. */
const mostRows = 20_000

/** What the relay has noted of this row, the earliest first. Empty for a relay that notes nothing, or after the retention. */
export async function readPublications(tx: Tx, schema: string, write: MessageWrite): Promise<MessagePublication[]> {
  const { topic, key, position } = write
  const partitions = await pinnedPartitions(tx, schema, topic)
  const certain = key !== null && partitions !== null
  const partition = certain ? partitionOf(Buffer.from(key, 'utf8'), partitions) : undefined
  const found = await publicationsOf(
    tx,
    { topic, position, ...(partition === undefined ? {} : { partition }) },
    { schema },
  )
  const told: MessagePublication[] = []
  for (const one of found) {
    const offset = certain ? await offsetOf(tx, schema, one, position, partitions) : null
    told.push({ at: one.publishedAt, topic, partition: one.partition, offset, certain })
  }
  return told
}

async function pinnedPartitions(tx: Tx, schema: string, topic: string): Promise<number | null> {
  const { rows } = await tx.query<{ partitions: number }>(
    `SELECT partitions FROM ${tables(schema).pinnedTopic} WHERE topic = $1::text`,
    [topic],
  )
  return rows[0]?.partitions ?? null
}

/** The batch's own rows are those of its partition between its ends; when as many are there as it had, the offset follows. */
async function offsetOf(tx: Tx, schema: string, one: Publication, position: string, partitions: number) {
  if (one.baseOffset === null) return null
  const { rows } = await tx.query<{ position: string; key: string | null }>(
    `SELECT position::text AS position, key FROM ${tables(schema).outbox} AS written
     WHERE position >= $1::text::bigint AND position <= $2::text::bigint AND topic = $3::text AND key IS NOT NULL
     ORDER BY written.position LIMIT ${mostRows + 1}`,
    [one.firstPosition, one.lastPosition, one.topic],
  )
  if (rows.length > mostRows) return null
  const own = rows.filter(({ key }) => partitionOf(Buffer.from(key ?? '', 'utf8'), partitions) === one.partition)
  const place = own.findIndex((row) => row.position === position)
  if (place === -1 || own.length !== one.count) return null
  return String(BigInt(one.baseOffset) + BigInt(place))
}
