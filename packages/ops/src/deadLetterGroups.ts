import type { Tx } from '@oncebox/core'
import { defaultSchema, tables } from '@oncebox/schema'

/** Dead letters of one group and type that were given up for the same reason. */
export interface DeadLetterGroup {
  readonly group: string
  readonly topic: string
  readonly type: string
  /** A code of `docs/errors.md`. */
  readonly reason: string
  /** How many dead letters. */
  readonly letters: number
  /** Of them, those that keep later messages of their key waiting. */
  readonly parking: number
  /** Of them, those for which a retry was asked for. */
  readonly retrying: number
  /** When the first of them was given up, and the last: RFC 3339 in UTC. */
  readonly firstAt: string
  readonly lastAt: string
}

const countedUpTo = 100_000

const rfc3339 = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/**
 * The first 100,000 dead letters by group, topic, type and reason, the most frequent first. Reads on `tx`.
 *
 * @throws OnceboxError `INVALID_SETTING` for the schema name; the driver's error otherwise.
 */
export async function groupDeadLetters(tx: Tx, options: { readonly schema?: string } = {}): Promise<DeadLetterGroup[]> {
  const { rows } = await tx.query<DeadLetterGroup>(
    `SELECT consumer AS "group", topic, type, reason, count(*)::int AS letters,
       count(*) FILTER (WHERE parks)::int AS parking, count(*) FILTER (WHERE retry_at IS NOT NULL)::int AS retrying,
       ${rfc3339('min(dead_at)')} AS "firstAt", ${rfc3339('max(dead_at)')} AS "lastAt"
     FROM (
       SELECT consumer, topic, type, reason, parks, retry_at, dead_at FROM ${tables(options.schema ?? defaultSchema).deadLetter}
       ORDER BY number LIMIT ${countedUpTo}
     ) AS bounded
     GROUP BY consumer, topic, type, reason
     ORDER BY letters DESC, consumer, topic, type, reason`,
  )
  return rows
}
