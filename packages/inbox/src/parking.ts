import { createHash } from 'node:crypto'
import type { Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { Item } from './decode.js'
import { envelopeColumns, envelopeOf } from './storedEnvelope.js'

/** A key of a topic: topic and digest, parted by a NUL, which no topic's name can hold. */
export type KeyPlace = string

/** Null for a message without a key: nobody waits behind it. */
export function keyPlaceOf({ record }: Pick<Item, 'record'>): KeyPlace | null {
  if (record.key === null) return null
  return `${record.topic}\0${createHash('sha256').update(record.key).digest('hex')}`
}

/**
 * Those keys of `items` that wait, each with its head row locked until the transaction ends: nothing is released, and
 * nothing is put before what this transaction adds. In a statement after the ids were inserted: a key that was parked
 * while that insert waited is seen. One that is parked while this statement waits for another key's lock is not, and need
 * not be: the message that it is parked for comes before those of `items`, and its id was waited for before theirs.
 */
export async function lockParkedKeys(
  tx: Tx,
  tables: Tables,
  group: string,
  items: Iterable<Item>,
): Promise<Set<KeyPlace>> {
  const places = new Set<KeyPlace>()
  for (const item of items) {
    const place = keyPlaceOf(item)
    if (place !== null) places.add(place)
  }
  if (places.size === 0) return places
  const { rows } = await tx.query<{ topic: string; digest: string }>(
    `SELECT head.topic, encode(head.key_digest, 'hex') AS digest
     FROM ${tables.parkedKey} AS head
     WHERE head.consumer = $1::text AND (head.topic, head.key_digest) IN (
       SELECT place ->> 0, decode(place ->> 1, 'hex') FROM json_array_elements($2::text::json) AS place
     )
     ORDER BY head.topic COLLATE "C", head.key_digest
     FOR UPDATE`,
    [group, JSON.stringify([...places].map((place) => place.split('\0')))],
  )
  return new Set(rows.map(({ topic, digest }) => `${topic}\0${digest}`))
}

/** A key that begins to wait. */
export interface ParkedHead {
  readonly place: KeyPlace
  /** When its first message is tried again, in milliseconds from now; null: when an operator says so. */
  readonly dueInMs: number | null
}

/** Parks keys, and messages behind them in the order given, in the transaction that records their ids. */
export async function park(
  tx: Tx,
  tables: Tables,
  group: string,
  heads: readonly ParkedHead[],
  deliveries: readonly Item[],
): Promise<void> {
  if (heads.length > 0) {
    const rows = heads.map(({ place, dueInMs }) => [...place.split('\0'), dueInMs])
    await tx.query(
      `INSERT INTO ${tables.parkedKey} (consumer, topic, key_digest, due_at)
       SELECT $1::text, head ->> 0, decode(head ->> 1, 'hex'),
         clock_timestamp() + (head ->> 2)::double precision * interval '1 millisecond'
       FROM json_array_elements($2::text::json) AS head
       ORDER BY (head ->> 0) COLLATE "C", decode(head ->> 1, 'hex')
       ON CONFLICT DO NOTHING`,
      [group, JSON.stringify(rows)],
    )
  }
  if (deliveries.length === 0) return
  await tx.query(
    `INSERT INTO ${tables.parkedDelivery} (
       consumer, source, message_id, topic, partition, record_offset, record_time, type, content_type,
       key, key_digest, payload, headers
     )
     SELECT $1::text, message.source, message.message_id, message.topic, message.partition, message.record_offset,
       to_timestamp(message.time_ms / 1000.0), message.type, message.content_type,
       decode(message.key, 'base64'), sha256(decode(message.key, 'base64')),
       decode(message.payload, 'base64'), message.headers
     FROM json_to_recordset($2::text::json) AS message (place integer, ${envelopeColumns})
     ORDER BY message.place
     ON CONFLICT DO NOTHING`,
    [group, JSON.stringify(deliveries.map((item, place) => ({ place, ...envelopeOf(item) })))],
  )
}

/** How many keys of the group wait because of a failure that is tried again; counted up to `most`. */
export async function countKeysAside(tx: Tx, tables: Tables, group: string, most: number): Promise<number> {
  const { rows } = await tx.query<{ keys: number }>(
    `SELECT count(*)::integer AS keys FROM (
       SELECT FROM ${tables.parkedKey} WHERE consumer = $1::text AND due_at IS NOT NULL LIMIT $2::integer
     ) AS bounded`,
    [group, most],
  )
  return rows[0]?.keys ?? 0
}
