import { decodeEnvelope, OnceboxError, requireTx, type Tx, type WireRecord } from '@oncebox/core'
import { defaultSchema, requireSchema, type Tables, tables as tablesOf } from '@oncebox/schema'
import type { Item } from './decode.js'
import { insertIds } from './dedupe.js'
import { messageIdOf } from './messageId.js'
import { keyPlaceOf, lockParkedKeys, park } from './parking.js'
import { envelopeColumns, envelopeOf } from './storedEnvelope.js'

/** What became of messages that were asked for again. */
export interface AskedAgain {
  /** Will be handled by a running consumer of the group. */
  readonly asked: number
  /** Waited there already: handled when their turn comes, once. */
  readonly waiting: number
  /** Are dead letters of the group: `dead retry` is for them. */
  readonly dead: number
}

/**
 * Says whether there is somebody to handle messages again, before anything is written.
 *
 * @throws OnceboxError `INVALID_SETTING` when the group has never read anything into this database.
 */
export async function requireConsumerGroup(
  tx: Tx,
  options: { readonly schema?: string; readonly group: string },
): Promise<void> {
  await requireGroup(tx, tablesOf(options.schema ?? defaultSchema), options.group)
}

/**
 * Has messages handled by one consumer group although it may have handled them: a running consumer of the group does, once for
 * each call, past inbox and horizon. They are written into the group's own database, so no other group hears of it. Their ids
 * count as handled from now on, so a first delivery that is still under way is absorbed. Messages of a key wait and run in the order
 * given, behind what waits of the key; later deliveries of the key come behind them.
 *
 * Writes on `tx`, which the caller commits: the requests are there with it, or not at all.
 *
 * @throws OnceboxError `SCHEMA_NOT_MIGRATED`, `INVALID_SETTING` when the group has never read anything here.
 */
export async function handleAgain(
  tx: Tx,
  options: {
    readonly schema?: string
    readonly group: string
    readonly records: readonly WireRecord[]
    readonly by: string
  },
): Promise<AskedAgain> {
  requireTx(tx)
  const schema = options.schema ?? defaultSchema
  await requireSchema(tx, { schema, minimumVersion: 10 })
  const tables = tablesOf(schema)
  const { group, by } = options
  await requireGroup(tx, tables, group)
  const items = options.records.map(itemOf)
  // In the order of consumers: ids, then the heads of keys.
  await insertIds(
    tx,
    tables,
    group,
    items.map(({ id }) => id),
    null,
  )
  await lockParkedKeys(tx, tables, group, items)
  const known = await alreadyThere(tx, tables, group, items)
  const fresh = items.filter((item) => !known.has(nameOf(item)))
  const keyed = fresh.filter(({ record }) => record.key !== null)
  const places = new Set(keyed.flatMap((item) => keyPlaceOf(item) ?? []))
  const heads = [...places].map((place) => ({ place, dueInMs: 0 }))
  await park(tx, tables, group, heads, keyed)
  await retryAtOnce(
    tx,
    tables,
    group,
    by,
    fresh.filter(({ record }) => record.key === null),
  )
  const states = [...known.values()]
  const dead = states.filter((state) => state === 'dead').length
  return { asked: fresh.length, waiting: states.length - dead, dead }
}

/** A consumer that starts decides by its own rules what the message is; here only its name matters. */
function itemOf(record: WireRecord, index: number): Item {
  const { id, source, type, contentType } = decodeEnvelope(record)
  return { index, record, id: messageIdOf(record, id, source), type, contentType, verdict: { kind: 'ignore' } }
}

const nameOf = ({ id }: Pick<Item, 'id'>): string => `${id.source}\0${id.id}`

async function requireGroup(tx: Tx, tables: Tables, group: string): Promise<void> {
  const { rows } = await tx.query<{ known: boolean }>(
    `SELECT EXISTS (SELECT FROM ${tables.consumerOffset} WHERE consumer = $1::text)
       OR EXISTS (SELECT FROM ${tables.heldPartition} WHERE consumer = $1::text) AS known`,
    [group],
  )
  if (rows[0]?.known === true) return
  throw new OnceboxError('INVALID_SETTING', 'No such consumer group has read anything into this database', {
    next: 'See the groups with "oncebox status"; give --consumer-url when its database is another one.',
  })
}

/** Those that wait for the group in some way, by name. */
async function alreadyThere(
  tx: Tx,
  tables: Tables,
  group: string,
  items: readonly Item[],
): Promise<ReadonlyMap<string, 'waiting' | 'dead'>> {
  const names = JSON.stringify(items.map(({ id }) => [id.source, id.id]))
  const { rows } = await tx.query<{ source: string; id: string; dead: boolean }>(
    `WITH name AS MATERIALIZED (
       SELECT each ->> 0 AS source, each ->> 1 AS id FROM json_array_elements($2::text::json) AS each
     )
     SELECT source, id, false AS dead FROM name JOIN ${tables.parkedDelivery} AS parked USING (source)
     WHERE parked.consumer = $1::text AND parked.message_id = id
     UNION ALL
     SELECT source, id, letter.retry_at IS NULL AS dead FROM name JOIN ${tables.deadLetter} AS letter USING (source)
     WHERE letter.consumer = $1::text AND letter.message_id = id`,
    [group, names],
  )
  return new Map(rows.map(({ source, id, dead }) => [`${source}\0${id}`, dead ? 'dead' : 'waiting']))
}

/** Messages without a key have nobody waiting behind them: each goes the way of a dead letter that is retried at once. */
async function retryAtOnce(tx: Tx, tables: Tables, group: string, by: string, items: readonly Item[]): Promise<void> {
  if (items.length === 0) return
  await tx.query(
    `INSERT INTO ${tables.deadLetter} (
       consumer, source, message_id, topic, partition, record_offset, record_time, type, reason, content_type,
       key, payload, headers, attempts, retry_at, retry_by
     )
     SELECT $1::text, message.source, message.message_id, message.topic, message.partition, message.record_offset,
       to_timestamp(message.time_ms / 1000.0), message.type, 'ASKED_AGAIN', message.content_type,
       NULL, decode(message.payload, 'base64'), message.headers, 0, clock_timestamp(), $3::text
     FROM json_to_recordset($2::text::json) AS message (place integer, ${envelopeColumns})
     ORDER BY message.place`,
    [group, JSON.stringify(items.map((item, place) => ({ place, ...envelopeOf(item) }))), by],
  )
}
