import type { Tx } from '@oncebox/core'
import { defaultSchema, tables } from '@oncebox/schema'

/** What a message carries: the user's data. Show it to whoever asked and may see it; never log it. */
export interface MessageBody {
  readonly contentType: string | null
  /** Base64, the first `maximumBytes`; null for a tombstone. */
  readonly payload: string | null
  /** Of the whole payload. */
  readonly bytes: number
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Payload and headers of the row of the outbox at this position, or null. Reads on `tx`; needs the rights of the
 * operator, which a viewer has not.
 *
 * @param options.maximumBytes how much of the payload is read. Default 65,536.
 * @throws OnceboxError `INVALID_SETTING` for the schema name; the driver's error otherwise.
 */
export async function messageBody(
  tx: Tx,
  position: string,
  options: { readonly schema?: string; readonly maximumBytes?: number } = {},
): Promise<MessageBody | null> {
  const { schema = defaultSchema, maximumBytes = 65_536 } = options
  if (!/^\d{1,18}$/.test(position)) return null
  const { rows } = await tx.query<Omit<MessageBody, 'headers'> & { headers: string | null }>(
    `SELECT content_type AS "contentType", coalesce(octet_length(payload), 0) AS bytes, headers::text AS headers,
       translate(encode(substring(payload FROM 1 FOR $2::int), 'base64'), E'\\n', '') AS payload
     FROM ${tables(schema).outbox} WHERE position = $1::text::bigint`,
    [position, maximumBytes],
  )
  const row = rows[0]
  if (row === undefined) return null
  return { ...row, headers: JSON.parse(row.headers ?? '{}') as Record<string, string> }
}
