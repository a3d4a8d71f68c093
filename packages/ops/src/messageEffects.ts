import { isUuid, isUuidV7, type Tx, uuidV7Time } from '@oncebox/core'
import { inboxRing, inboxSlotOf, tables } from '@oncebox/schema'

/** What became of a message in one consumer group. */
export interface MessageEffect {
  readonly group: string
  /**
   * - `handled`: its effects are there, or it was skipped or discarded.
   * - `failing`: it failed, and is tried again.
   * - `waiting`: it waits behind another of its key.
   * - `dead`: a dead letter; `retrying` when a retry was asked for.
   */
  readonly state: 'handled' | 'failing' | 'waiting' | 'dead' | 'retrying'
  readonly attempts: number
  /** Of the last failure, or of the giving up. RFC 3339 in UTC; null when there was none. */
  readonly at: string | null
  /** The number and the reason of the dead letter. */
  readonly deadLetter: string | null
  readonly reason: string | null
  /** What an operator or a retry did, the earliest first; `again`: asked for by `replay --again`. */
  readonly actions: readonly { readonly at: string; readonly action: string; readonly by: string }[]
}

const rfc3339 = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** What this database knows of the message, group by group. */
export async function readEffects(tx: Tx, schema: string, id: string): Promise<MessageEffect[]> {
  const { attempt, deadLetter, parkedDelivery, deadLetterAction, inboxForeign } = tables(schema)
  const handled = isUuidV7(id) ? await groupsInRing(tx, schema, id) : []
  const { rows } = await tx.query<Omit<MessageEffect, 'actions'>>(
    `WITH known AS (
       SELECT consumer, 'dead' AS state, attempts, ${rfc3339('dead_at')} AS at, number::text AS letter, reason, retry_at
       FROM ${deadLetter} WHERE message_id = $1::text
       UNION ALL
       SELECT consumer, 'waiting', 0, ${rfc3339('parked_at')}, NULL, NULL, NULL FROM ${parkedDelivery} WHERE message_id = $1::text
       UNION ALL
       SELECT consumer, 'failing', attempts, ${rfc3339('last_failed_at')}, NULL, NULL, NULL FROM ${attempt} WHERE message_id = $1::text
       UNION ALL
       SELECT consumer, 'handled', 0, ${rfc3339('received_at')}, NULL, NULL, NULL FROM ${ofForeign(inboxForeign)}
       UNION ALL
       SELECT consumer, 'handled', 0, NULL, NULL, NULL, NULL FROM json_array_elements_text($2::text::json) AS given (consumer)
     )
     SELECT DISTINCT ON (consumer) consumer AS "group",
       CASE WHEN retry_at IS NOT NULL THEN 'retrying' ELSE state END AS state,
       max(attempts) OVER (PARTITION BY consumer) AS attempts, at, letter AS "deadLetter", reason
     FROM known ORDER BY consumer, array_position(ARRAY['dead', 'waiting', 'failing', 'handled'], state)`,
    [id, JSON.stringify(handled)],
  )
  const actions = await tx.query<GroupAction>(
    `SELECT consumer AS "group", ${rfc3339('done_at')} AS at, action, done_by AS by
     FROM ${deadLetterAction} AS done WHERE message_id = $1::text ORDER BY done.number`,
    [id],
  )
  const all = [...actions.rows, ...(await askedAgain(tx, schema, id))].sort((one, other) =>
    one.at < other.at ? -1 : 1,
  )
  return rows.map((row) => ({
    ...row,
    actions: all.filter(({ group }) => group === row.group).map(({ group: _, ...action }) => action),
  }))
}

/** Source after source of each group along the index, as below: of ids that are not ours there may be as many. */
function ofForeign(inboxForeign: string): string {
  const place = 'consumer, source'
  return `(
         WITH RECURSIVE places AS (
           (SELECT ${place} FROM ${inboxForeign} ORDER BY ${place} LIMIT 1)
           UNION ALL
           SELECT next.* FROM places CROSS JOIN LATERAL (
             SELECT ${place} FROM ${inboxForeign} WHERE (${place}) > (places.consumer, places.source) ORDER BY ${place} LIMIT 1
           ) AS next
         )
         SELECT consumer, received_at FROM places CROSS JOIN LATERAL (
           SELECT received_at FROM ${inboxForeign} AS own
           WHERE own.consumer = places.consumer AND own.source = places.source AND message_id = $1::text LIMIT 1
         ) AS found
       ) AS foreign_ids`
}

interface GroupAction {
  readonly group: string
  readonly at: string
  readonly action: string
  readonly by: string
}

/** Runs that asked for the message once more; none on a schema from before there were any. */
async function askedAgain(tx: Tx, schema: string, id: string): Promise<GroupAction[]> {
  const { replayRun, replayRequest } = tables(schema)
  const there = await tx.query<{ there: boolean }>('SELECT to_regclass($1::text) IS NOT NULL AS there', [replayRun])
  if (there.rows[0]?.there !== true || !isUuid(id)) return []
  const { rows } = await tx.query<GroupAction>(
    `SELECT run.consumer AS "group", ${rfc3339('request.asked_at')} AS at, 'again' AS action, run.asked_by AS by
     FROM ${replayRequest} AS request JOIN ${replayRun} AS run USING (run) WHERE request.message_id = $1::text::uuid`,
    [id],
  )
  return rows
}

/** Group after group along the index, whose first column they are: there are few, and ids are many. */
async function groupsInRing(tx: Tx, schema: string, id: string): Promise<string[]> {
  const leaf = tables(schema).of(inboxRing.leaves[inboxSlotOf(uuidV7Time(id))] as string)
  const { rows } = await tx.query<{ consumer: string }>(
    `WITH RECURSIVE groups AS (
       (SELECT consumer FROM ${leaf} ORDER BY consumer LIMIT 1)
       UNION ALL
       SELECT (SELECT next.consumer FROM ${leaf} AS next WHERE next.consumer > groups.consumer ORDER BY next.consumer LIMIT 1)
       FROM groups WHERE groups.consumer IS NOT NULL
     )
     SELECT consumer FROM groups WHERE consumer IS NOT NULL AND EXISTS (
       SELECT FROM ${leaf} AS handled WHERE handled.consumer = groups.consumer AND handled.message_id = $1::text::uuid
     )`,
    [id],
  )
  return rows.map(({ consumer }) => consumer)
}
