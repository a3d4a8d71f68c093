import { OnceboxError, type Tx } from '@oncebox/core'
import { requireSchema } from '@oncebox/schema'
import type { Settings } from './settings.js'

/**
 * Refuses to start where messages would be lost or refused by design.
 *
 * @throws OnceboxError `SCHEMA_NOT_MIGRATED`; `INVALID_SETTING` when a topic keeps records longer than ids are remembered, or
 *   a name in `duplicateConstraints` is of no unique index.
 */
export async function checkStart<Trx>(settings: Settings<Trx>): Promise<void> {
  const { db, schema, subscriber, topics, horizonMs } = settings
  await db.transaction(async ({ tx }) => {
    await requireSchema(tx, { schema })
    await requireUnique(tx, settings.duplicateConstraints)
  })
  if (settings.allowLongerRetention) return
  for (const topic of topics) {
    const retentionMs = await subscriber.retentionMs(topic)
    if (retentionMs === null || (retentionMs >= 0 && retentionMs <= horizonMs)) continue
    const retention = retentionMs < 0 ? 'for ever' : `for ${retentionMs} ms`
    throw new OnceboxError(
      'INVALID_SETTING',
      `Topic ${topic} keeps records ${retention}, longer than the horizon of ${horizonMs} ms: older ones would be refused`,
      {
        next: 'Raise horizonMs, shorten the retention, or set allowLongerRetention: true to have them in the dead letters.',
      },
    )
  }
}

/** A name that is written wrong would be found out by dead letters only. Unique constraints are indexes of their name. */
async function requireUnique(tx: Tx, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  const { rows } = await tx.query<{ name: string }>(
    `SELECT name FROM json_array_elements_text($1::text::json) AS name
     WHERE NOT EXISTS (
       SELECT FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid WHERE relname = name AND indisunique
     )`,
    [JSON.stringify(names)],
  )
  if (rows.length === 0) return
  const missing = rows.map(({ name }) => name).join(', ')
  throw new OnceboxError('INVALID_SETTING', `duplicateConstraints names what is no unique index here: ${missing}`, {
    next: 'Name the unique constraints or unique indexes as the database does; of partitioned tables, those of the partitions.',
  })
}
