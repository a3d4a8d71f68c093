import { decodePayload, quoteIdentifier, type Tx } from '@oncebox/core'

/** A message that the open transaction has written. */
export interface EmittedMessage {
  readonly id: string
  readonly topic: string
  readonly key: string | null
  readonly type: string
  readonly source: string
  /** Decoded by content type, as a consumer's would be. */
  readonly data: unknown
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: string | null
  /** Null: at once. */
  readonly deliverAt: Date | null
}

interface Row {
  readonly id: string
  readonly topic: string
  readonly key: string | null
  readonly type: string
  readonly source: string
  readonly content_type: string | null
  readonly headers: string | null
  readonly payload: string | null
  readonly due_ms: string | null
}

/** What the transaction `tx` has written so far and not taken back: in the order of writing, scheduled ones last. */
export async function emittedMessages(tx: Tx, schema: string): Promise<EmittedMessage[]> {
  const quoted = quoteIdentifier(schema)
  const columns = `id::text AS id, topic, key, type, source, content_type, headers::text AS headers,
      encode(payload, 'base64') AS payload`
  // Scheduled rows carry no xid. One that is visible though its writer is in progress is our own, savepoints included;
  // xmin has 32 bits, and is completed by the nearest full number.
  const { rows } = await tx.query<Row>(`
    SELECT ${columns}, NULL AS due_ms, 0 AS list, position AS place
    FROM ${quoted}.outbox
    WHERE xid = pg_current_xact_id()
    UNION ALL
    SELECT ${columns}, (extract(epoch FROM due_at) * 1000)::bigint::text AS due_ms, 1 AS list, number AS place
    FROM ${quoted}.scheduled, (SELECT pg_current_xact_id()::text::bigint AS xid OFFSET 0) AS own
    WHERE CASE WHEN created_at >= now()
      THEN pg_xact_status((own.xid + ((scheduled.xmin::text::bigint - own.xid) << 32 >> 32))::text::xid8) = 'in progress'
    END
    ORDER BY list, place`)
  return rows.map((row) => ({
    id: row.id,
    topic: row.topic,
    key: row.key,
    type: row.type,
    source: row.source,
    data: decodePayload(row.payload === null ? null : Buffer.from(row.payload, 'base64'), row.content_type),
    headers: row.headers === null ? {} : JSON.parse(row.headers),
    contentType: row.content_type,
    deliverAt: row.due_ms === null ? null : new Date(Number(row.due_ms)),
  }))
}
