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
  const pins = key === null ? [] : await readPins(tx, schema, topic)
  const told: MessagePublication[] = []
  if (key === null || pins.length === 0) {
    for (const one of await publicationsOf(tx, { topic, position }, { schema })) {
      told.push({ at: one.publishedAt, topic, partition: one.partition, offset: null, certain: false })
    }
    return told
  }
  for (const { partitions, from, until } of pins) {
    const partition = partitionOf(Buffer.from(key, 'utf8'), partitions)
    for (const one of await publicationsOf(tx, { topic, position, partition }, { schema })) {
      const at = one.publishedAt
      if ((from !== null && at < from) || (until !== null && at >= until)) continue
      const offset = await offsetOf(tx, schema, one, position, partitions)
      told.push({ at, topic, partition, offset, certain: true })
    }
  }
  return told
}

/** Over how many partitions a topic's keys were spread, and when: RFC 3339 in UTC, null: open on that side. */
interface Pin {
  readonly partitions: number
  readonly from: string | null
  readonly until: string | null
}

/** The earliest first; none for a topic that is not pinned. */
async function readPins(tx: Tx, schema: string, topic: string): Promise<Pin[]> {
  const { pinnedTopic, topicRepin } = tables(schema)
  const pinned = await tx.query<{ partitions: number }>(
    `SELECT partitions FROM ${pinnedTopic} WHERE topic = $1::text`,
    [topic],
  )
  if (pinned.rows[0] === undefined) return []
  const there = await tx.query<{ there: boolean }>('SELECT to_regclass($1::text) IS NOT NULL AS there', [topicRepin])
  const changes =
    there.rows[0]?.there === true
      ? await tx.query<{ before: number; at: string }>(
          `SELECT partitions_before AS before, to_char(repinned_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
           FROM ${topicRepin} AS changed WHERE topic = $1::text ORDER BY changed.number`,
          [topic],
        )
      : { rows: [] }
  const ends = [...changes.rows, { before: pinned.rows[0].partitions, at: null }]
  return ends.map(({ before, at }, place) => ({ partitions: before, from: ends[place - 1]?.at ?? null, until: at }))
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
