import type { Publisher, Subscriber } from '@oncebox/transport'
import { bossConnection } from './bossConnection.js'
import { type PgBossOptions, resolveSettings } from './options.js'
import { bossPublisher } from './publisher.js'
import { bossSubscriber } from './subscriber.js'

/**
 * The embedded transport: pg-boss in a Postgres you have, publisher and subscriber in one object. Nothing is opened
 * before it is used. A topic has one partition, number 0, and no offsets.
 *
 * Order: within a group one record of a key is with a consumer at a time, and the next one follows when it is done;
 * records of different keys go side by side to as many consumers as there are.
 *
 * @throws OnceboxError `INVALID_SETTING`.
 */
export function pgBoss(options: PgBossOptions): Publisher & Subscriber {
  const settings = resolveSettings(options)
  const connection = bossConnection(settings)
  const publisher = bossPublisher(settings, connection)
  const subscriber = bossSubscriber(settings, connection)
  return {
    ...publisher,
    ...subscriber,
    async close() {
      await subscriber.close()
      await publisher.close()
    },
  }
}
