import type { Tx } from '@oncebox/core'
import { tables } from '@oncebox/schema'

/** The largest message of a topic among those that wait. */
export interface LargestMessage {
  readonly topic: string
  readonly id: string
  /** Payload, headers and key. */
  readonly bytes: number
}

/** Looks at up to 10,000 of those that no lane has published, and as many scheduled and parked ones. */
export async function readLargestMessages(tx: Tx, schema: string): Promise<LargestMessage[]> {
  const { outbox, scheduled, parked, relayCursor } = tables(schema)
  const bytes = `coalesce(octet_length(payload), 0) + coalesce(octet_length(headers::text), 0) + coalesce(octet_length(key), 0)`
  const { rows } = await tx.query<LargestMessage>(
    `WITH first AS (SELECT last_snapshot AS last FROM ${relayCursor} ORDER BY pg_snapshot_xmax(last_snapshot) LIMIT 1),
     waiting AS (
       (SELECT topic, id, ${bytes} AS bytes FROM ${outbox}
        WHERE xid >= (SELECT pg_snapshot_xmax(last) FROM first) ORDER BY xid LIMIT 10000)
       UNION ALL
       (SELECT topic, id, ${bytes} FROM ${outbox}
        WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(last) FROM first)) ORDER BY xid LIMIT 10000)
       UNION ALL
       (SELECT topic, id, ${bytes} FROM ${scheduled} ORDER BY due_at LIMIT 10000)
       UNION ALL
       (SELECT topic, id, ${bytes} FROM ${parked} ORDER BY number LIMIT 10000)
     )
     SELECT DISTINCT ON (topic) topic, id::text AS id, bytes FROM waiting ORDER BY topic, bytes DESC`,
  )
  return rows
}
