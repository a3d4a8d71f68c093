import { isUuid, OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, requireSchema, tables } from '@oncebox/schema'
import { type MessageEffect, readEffects } from './messageEffects.js'
import { type MessagePublication, readPublications } from './messagePublications.js'
import { type Lookup, type MessageWrite, readWrites } from './messageWrites.js'

/** The way of one message, as far as this database knows it; never its payload. */
export interface Timeline {
  readonly id: string
  /** When it is due, RFC 3339 in UTC, while it is scheduled. */
  readonly scheduledFor: string | null
  readonly writes: readonly (MessageWrite & { readonly publications: readonly MessagePublication[] })[]
  /** While the relay holds it back: since when and why. */
  readonly parked: { readonly at: string; readonly reason: string } | null
  readonly effects: readonly MessageEffect[]
  /** Rows older than this were looked through only about the time inside the id: RFC 3339 in UTC; null: nothing was left out. */
  readonly searchedBackTo: string | null
}

/** Default of the lookup: where the id says, then everything that is retained until the message is found. */
export interface TimelineOptions extends Lookup {
  /** Default `oncebox`. */
  readonly schema?: string
}

/**
 * When a message was written and by which transaction, when it was published and to where, and what consumer groups of
 * this database made of it. Reads on `tx`. An id that is no UUIDv7 says no time: without `newest` it is looked for everywhere.
 *
 * @throws OnceboxError `INVALID_SETTING` for an empty id or the schema name, `SCHEMA_NOT_MIGRATED`.
 */
export async function timeline(tx: Tx, id: string, options: TimelineOptions = {}): Promise<Timeline> {
  const schema = options.schema ?? defaultSchema
  if (id === '') throw new OnceboxError('INVALID_SETTING', 'The id of the message is empty')
  await requireSchema(tx, { schema, minimumVersion: 8 })
  // Only ids of our own are in an outbox; consumers know others too.
  const own = isUuid(id)
  const { writes, searchedBackTo } = own
    ? await readWrites(tx, schema, id.toLowerCase(), options)
    : { writes: [], searchedBackTo: null }
  return {
    id,
    scheduledFor: own ? await readScheduled(tx, schema, id) : null,
    writes: await Promise.all(
      writes.map(async (write) => ({ ...write, publications: await readPublications(tx, schema, write) })),
    ),
    parked: own ? await readHeldBack(tx, schema, id) : null,
    effects: await messageEffects(tx, id, { schema }),
    searchedBackTo,
  }
}

/** What consumer groups of this database made of a message. Reads on `tx`. */
export function messageEffects(
  tx: Tx,
  id: string,
  options: { readonly schema?: string } = {},
): Promise<MessageEffect[]> {
  return readEffects(tx, options.schema ?? defaultSchema, isUuid(id) ? id.toLowerCase() : id)
}

/** Whether anything is known of the message: written, scheduled, held back or handled. Pure. */
export function isKnown({ scheduledFor, writes, parked, effects }: Timeline): boolean {
  return scheduledFor !== null || parked !== null || writes.length + effects.length > 0
}

async function readScheduled(tx: Tx, schema: string, id: string): Promise<string | null> {
  const { rows } = await tx.query<{ due: string }>(
    `SELECT to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS due
     FROM ${tables(schema).scheduled} WHERE id = $1::text::uuid LIMIT 1`,
    [id],
  )
  return rows[0]?.due ?? null
}

async function readHeldBack(tx: Tx, schema: string, id: string): Promise<Timeline['parked']> {
  const { rows } = await tx.query<{ at: string; reason: string }>(
    `SELECT to_char(parked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at, reason
     FROM ${tables(schema).parked} WHERE id = $1::text::uuid LIMIT 1`,
    [id],
  )
  return rows[0] ?? null
}
