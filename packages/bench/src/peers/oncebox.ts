import { fileURLToPath } from 'node:url'
import { fillOutbox, rewind, topic } from '../workload.js'
import type { Peer } from './peer.js'

/** Our own relay, measured from outside like the others. */
export function onceboxPeer(): Peer {
  let filled = 0
  return {
    topicOf: () => topic,
    async prepare(pool, messages) {
      if (filled !== messages) {
        await pool.query('TRUNCATE oncebox.outbox')
        await fillOutbox(pool, 'oncebox', messages)
        await pool.query('VACUUM ANALYZE oncebox.outbox')
        filled = messages
      }
      await rewind(pool, 'oncebox')
      await pool.query('CHECKPOINT')
    },
    async command({ environment }) {
      const script = fileURLToPath(new URL('../arms/relayService.js', import.meta.url))
      return { program: process.execPath, args: ['--max-semi-space-size=16', script], env: environment }
    },
  }
}
