import type { Tx } from '@oncebox/core'
import { defaultSchema, tables } from '@oncebox/schema'
import { type ParkedGroup, readParked } from './parked.js'

/** A key whose messages wait at a consumer group, behind the first of them. */
export interface BlockedKey {
  readonly group: string
  readonly topic: string
  /** SHA-256 of the key, hex: keys can be longer than a page is wide. */
  readonly keyDigest: string
  /** Base64; null unless `keys` was asked for and this user may read it. */
  readonly key: string | null
  /** RFC 3339 in UTC. */
  readonly since: string
  /** When the first is tried again; null while a dead letter is in front, which a person decides about. */
  readonly dueAt: string | null
  /** Counted up to 1,000. */
  readonly waiting: number
  /** Global id of the first that waits; null when only the dead letter is left. */
  readonly firstWaitingId: string | null
  /** The dead letter in front: its number, id and reason; null when the first is only being retried. */
  readonly behind: { readonly number: string; readonly messageId: string; readonly reason: string } | null
}

/** Keys whose messages wait, at the relay and at consumers. */
export interface BlockedKeys {
  /** At the relay: what cannot be published, with the later messages of its keys. */
  readonly relay: readonly ParkedGroup[]
  /** At consumer groups; the oldest first. */
  readonly consumers: readonly BlockedKey[]
  /** Whether there are more than are listed. */
  readonly more: boolean
}

/** As many for each key; of one that has waited for days there may be millions. */
const countedUpTo = 1_000

const rfc3339 = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/**
 * Which keys wait, and behind what. Of the relay's side a few keys are part of the answer, because the operator has to
 * find them: do not log it. Reads on `tx`.
 *
 * @param options.limit keys of consumers, 1 to 1,000. Default 100.
 * @param options.keys reads the keys themselves, where this user may: a viewer may not. Default false.
 * @throws OnceboxError `INVALID_SETTING` for the schema name; the driver's error otherwise.
 */
export async function blockedKeys(
  tx: Tx,
  options: { readonly schema?: string; readonly limit?: number; readonly keys?: boolean } = {},
): Promise<BlockedKeys> {
  const schema = options.schema ?? defaultSchema
  const limit = Math.min(1_000, Math.max(1, Math.trunc(options.limit ?? 100)))
  const { parkedKey, parkedDelivery, deadLetter } = tables(schema)
  const withKeys = options.keys === true && (await mayReadKeys(tx, deadLetter, parkedDelivery))
  const base64 = (key: string) => `translate(encode(${key}, 'base64'), E'\\n', '')`
  const firstKey = `SELECT ${base64('parked.key')} FROM ${parkedDelivery} AS parked
         WHERE parked.consumer = head.consumer AND parked.topic = head.topic AND parked.key_digest = head.key_digest LIMIT 1`
  const deadKey = `SELECT ${base64('dead.key')} FROM ${deadLetter} AS dead WHERE dead.number = letter.number`
  const { rows } = await tx.query<Row>(
    `SELECT head.consumer AS "group", head.topic, encode(head.key_digest, 'hex') AS "keyDigest",
       ${rfc3339('head.parked_at')} AS since, ${rfc3339('head.due_at')} AS "dueAt",
       behind.waiting, behind.first_id AS "firstWaitingId",
       ${withKeys ? `coalesce((${deadKey}), (${firstKey}))` : 'NULL'} AS key,
       letter.number::text AS number, letter.message_id AS "messageId", letter.reason
     FROM (SELECT * FROM ${parkedKey} ORDER BY parked_at LIMIT ${limit + 1}) AS head
     CROSS JOIN LATERAL (
       SELECT count(*)::int AS waiting, (array_agg(message_id ORDER BY number))[1] AS first_id
       FROM (
         -- Between itself and itself: the planner is to know no other index with this order.
         SELECT message_id, number FROM ${parkedDelivery} AS parked
         WHERE parked.consumer = head.consumer AND parked.topic = head.topic
           AND parked.key_digest >= head.key_digest AND parked.key_digest <= head.key_digest
         ORDER BY parked.key_digest, parked.number LIMIT ${countedUpTo}
       ) AS bounded
     ) AS behind
     LEFT JOIN LATERAL (
       SELECT number, message_id, reason FROM ${deadLetter} AS dead
       WHERE dead.consumer = head.consumer AND dead.topic = head.topic AND dead.parks AND head.due_at IS NULL
         AND dead.key_digest = head.key_digest
       ORDER BY number LIMIT 1
     ) AS letter ON true
     ORDER BY head.parked_at`,
  )
  return {
    relay: await readParked(tx, schema),
    consumers: rows.slice(0, limit).map(({ number, messageId, reason, ...key }) => {
      return { ...key, behind: number === null ? null : { number, messageId: messageId ?? '', reason: reason ?? '' } }
    }),
    more: rows.length > limit,
  }
}

/** A statement that names what its user may not read fails as a whole. */
async function mayReadKeys(tx: Tx, deadLetter: string, parkedDelivery: string): Promise<boolean> {
  const { rows } = await tx.query<{ may: boolean }>(
    `SELECT has_column_privilege($1::text, 'key', 'SELECT') AND has_column_privilege($2::text, 'key', 'SELECT') AS may`,
    [deadLetter, parkedDelivery],
  )
  return rows[0]?.may === true
}

type Row = Omit<BlockedKey, 'behind'> & {
  readonly number: string | null
  readonly messageId: string | null
  readonly reason: string | null
}
