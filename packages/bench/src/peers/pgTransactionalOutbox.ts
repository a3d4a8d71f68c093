import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { installPgTransactionalOutbox } from './installPeer.js'
import { fillPeer, keySql, type Peer, payloadSql } from './peer.js'

const run = promisify(execFile)

/** pg-transactional-outbox's polling listener, tuned; a key's order is asked for (segment = key). */
export function pgTransactionalOutboxTuned(databaseUrl: string): Peer {
  return {
    limits: { messages: 100_000, seconds: 20 },
    topicOf: (topic) => topic,
    async prepare(pool, messages) {
      const script = await installPgTransactionalOutbox()
      // The library's own SQL.
      const { stdout } = await run(process.execPath, [script, 'setup'], {
        env: { ...process.env, DATABASE_URL: databaseUrl },
      })
      await pool.query(stdout)
      const insert = `INSERT INTO outbox_pto (id, aggregate_type, aggregate_id, message_type, segment, concurrency, payload)
        SELECT gen_random_uuid(), 'order', ${keySql}, 'order.created', ${keySql}, 'sequential', (${payloadSql})::jsonb`
      await fillPeer(pool, 'outbox_pto', insert, messages)
    },
    async command({ environment }, topic) {
      const script = await installPgTransactionalOutbox()
      return { program: process.execPath, args: [script], env: { ...environment, TOPIC: topic } }
    },
  }
}
