import type { KafkajsTransport } from '@oncebox/kafkajs'
import { expect } from 'vitest'
import type { MigratedDatabase } from './outbox.js'

/** What a relay does, but record by record, to partition 0: `sent` in this order, then the cursor passes everything. */
export async function publishBy(
  transport: KafkajsTransport,
  database: MigratedDatabase,
  topic: string,
  sent: readonly string[],
): Promise<void> {
  const { rows } = await database.pool.query(
    `SELECT id, key, type, source, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time
     FROM oncebox.outbox WHERE id = ANY ($1)`,
    [sent],
  )
  for (const id of sent) {
    const row = rows.find((one) => one.id === id)
    const outcome = await transport.publish([
      {
        topic,
        partition: 0,
        key: Buffer.from(row.key),
        value: Buffer.from('"canary"'),
        headers: [
          ['ce_id', id],
          ['ce_type', row.type],
          ['ce_source', row.source],
          ['ce_time', row.time],
        ],
      },
    ])
    expect(outcome).toMatchObject([{ status: 'acked' }])
  }
  await database.pool.query(
    'UPDATE oncebox.relay_cursor SET last_snapshot = pg_current_snapshot(), upper_snapshot = NULL, page_position = NULL',
  )
}
