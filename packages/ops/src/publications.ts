import type { Tx } from '@oncebox/core'
import { defaultSchema, tables } from '@oncebox/schema'

/** Messages of one partition that the relay got acknowledged together. */
export interface Publication {
  readonly lane: number
  readonly topic: string
  readonly partition: number
  /** Decimal texts. */
  readonly firstPosition: string
  readonly lastPosition: string
  readonly baseOffset: string | null
  readonly count: number
  /** RFC 3339 in UTC. */
  readonly publishedAt: string
}

const columns = `lane::int AS lane, topic, partition, first_position::text AS "firstPosition",
  last_position::text AS "lastPosition", base_offset::text AS "baseOffset", count,
  to_char(published_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "publishedAt"`

/** At most so many are told of one message: it is published again when a relay is killed, or everything is replayed. */
const mostForOne = 50

/**
 * The publications of a topic between whose positions this one lies, the earliest first: at most fifty. Whether the
 * message is among them follows from its partition. Reads on `tx`.
 *
 * @throws OnceboxError `INVALID_SETTING` for the schema name; the driver's error otherwise.
 */
export async function publicationsOf(
  tx: Tx,
  message: { readonly topic: string; readonly position: string; readonly partition?: number },
  options: { readonly schema?: string } = {},
): Promise<Publication[]> {
  const { publication } = tables(options.schema ?? defaultSchema)
  const { rows } = await tx.query<Publication>(
    `SELECT ${columns} FROM ${publication} AS found
     WHERE first_position <= $1::text::bigint AND last_position >= $1::text::bigint AND topic = $2::text
       AND ($3::text IS NULL OR partition = $3::text::int)
     ORDER BY found.published_at LIMIT ${mostForOne}`,
    [message.position, message.topic, message.partition === undefined ? null : String(message.partition)],
  )
  return rows
}
