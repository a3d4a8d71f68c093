import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { installWatermill } from './installPeer.js'
import { fillPeer, keySql, type Peer, payloadSql } from './peer.js'

const run = promisify(execFile)
const table = 'watermill_forwarder_topic'

/** Watermill's forwarder, tuned; acks from all replicas and keys, which its defaults have not. */
export function watermillTuned(port: number): Peer {
  const env = { PG_DSN: `host=127.0.0.1 port=${port} user=postgres dbname=postgres sslmode=disable` }
  return {
    limits: { messages: 100_000, seconds: 20 },
    topicOf: (topic) => topic,
    async prepare(pool, messages, topic) {
      const forwarder = await installWatermill()
      await pool.query(`DROP TABLE IF EXISTS ${table}, watermill_offsets_forwarder_topic`)
      await run(forwarder, [], { env: { ...process.env, ...env, INIT_ONLY: '1' } })
      const insert = `INSERT INTO ${table} (uuid, payload, metadata, transaction_id)
        SELECT gen_random_uuid()::text, json_build_object('destination_topic', '${topic}', 'uuid', gen_random_uuid()::text,
          'payload', translate(encode(convert_to(${payloadSql}, 'UTF8'), 'base64'), E'\\n', ''),
          'metadata', json_build_object('key', ${keySql})), '{}', pg_current_xact_id()`
      await fillPeer(pool, table, insert, messages)
    },
    async command({ environment }) {
      return { program: await installWatermill(), args: [], env: { ...environment, ...env } }
    },
  }
}
