import { OnceboxError } from '@oncebox/core'
import { requireSchema } from '@oncebox/schema'
import type { Settings } from './settings.js'

/**
 * Refuses to start where messages would be lost or refused by design.
 *
 * @throws OnceboxError `SCHEMA_NOT_MIGRATED`; `INVALID_SETTING` when a topic keeps records longer than ids are remembered.
 */
export async function checkStart<Trx>(settings: Settings<Trx>): Promise<void> {
  const { db, schema, subscriber, topics, horizonMs } = settings
  await db.transaction(({ tx }) => requireSchema(tx, { schema }))
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
