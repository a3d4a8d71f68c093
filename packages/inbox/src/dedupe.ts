import { queryPrepared, type Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { idleLimit } from './idleLimit.js'
import { foreignIdentity, type MessageId } from './messageId.js'

/** Identities of messages, to be asked for. */
export type Identities = Pick<ReadonlySet<string>, 'has'>

const everything: Identities = { has: () => true }

/**
 * Records ids as handled by `group` and answers the identities that were not there before. First thing in the
 * transaction: a second consumer of the same ids waits here for the first one's end. All consumers insert in the same
 * order (UUIDs, then foreign ids, each sorted), so that overlapping batches cannot deadlock. `idleMs`: the transaction's
 * session may sit idle for so long, null for no limit; set with the first id that it holds.
 *
 * Nearly always all of them are new: then the answer is their number, and not a row for each.
 */
export async function insertIds(
  tx: Tx,
  tables: Tables,
  group: string,
  ids: readonly MessageId[],
  idleMs: number | null,
): Promise<Identities> {
  const fresh = new Set<string>()
  const idle = idleMs === null ? null : String(idleMs)
  const ring = ids.filter((id) => id.kind === 'ring').map((id) => id.id)
  if (ring.length > 0) {
    const { rows } = await queryPrepared<{ ids: string | null }>(
      tx,
      `WITH limited AS MATERIALIZED (SELECT ${idleLimit('$3')}), inserted AS (
         INSERT INTO ${tables.inbox} (consumer, message_id)
         SELECT $1::text, id::uuid
         FROM limited, json_array_elements_text($2::text::json) AS id
         ORDER BY id::uuid
         ON CONFLICT DO NOTHING
         RETURNING message_id
       )
       SELECT CASE WHEN count(*) < $4::integer THEN coalesce(array_to_json(array_agg(message_id)), '[]')::text END AS ids
       FROM inserted`,
      [group, JSON.stringify(ring), idle, ring.length],
    )
    const [answer] = rows
    // An aggregate always answers: without a row nothing is known, and "all are new" would be the worst guess.
    if (answer === undefined) throw new TypeError('The insert of ids was not answered')
    const told = answer.ids
    if (told === null && ring.length === ids.length) return everything
    for (const id of told === null ? ring : (JSON.parse(told) as string[])) fresh.add(id)
  }
  const foreign = ids.filter((id) => id.kind === 'foreign').map((id) => [id.source, id.id])
  if (foreign.length > 0) {
    const { rows } = await tx.query<{ source: string; id: string }>(
      `INSERT INTO ${tables.inboxForeign} (consumer, source, message_id)
       WITH limited AS MATERIALIZED (SELECT ${idleLimit('$3')})
       SELECT $1::text, pair ->> 0, pair ->> 1
       FROM limited, json_array_elements($2::text::json) AS pair
       ORDER BY (pair ->> 0) COLLATE "C", (pair ->> 1) COLLATE "C"
       ON CONFLICT DO NOTHING
       RETURNING source, message_id AS id`,
      [group, JSON.stringify(foreign), idle],
    )
    for (const row of rows) fresh.add(foreignIdentity(row.source, row.id))
  }
  return fresh
}
