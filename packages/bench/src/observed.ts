import { drainArm } from './drain.js'
import { interleave } from './interleave.js'
import type { SuiteResult } from './results.js'
import { createTopics, migrated, withServers } from './servers.js'
import { fillOutbox, partitions, topic } from './workload.js'

export interface ObservedOptions {
  readonly messages: number
  readonly rounds: number
  readonly progress: (line: string) => void
}

const schema = 'oncebox'
const sampledOneIn = 10

/** The same relay over the same messages; what is asked for is the ratio of the others to `unobserved`. */
export const observedArms = {
  unobserved: { TRANSPORT: 'kafka' },
  metrics: { TRANSPORT: 'kafka', METRICS: 'on' },
  metricsAndTracing: { TRANSPORT: 'kafka', METRICS: 'on', TRACING: 'on' },
} as const

/** What it costs a relay to be watched: metrics that are read, and spans of messages of which a tenth is sampled. */
export function observed({ messages, rounds, progress }: ObservedOptions): Promise<SuiteResult> {
  return withServers({ progress }, async (servers) => {
    const { pool, admin } = servers
    await createTopics(admin, [topic], partitions)
    await migrated(pool, schema)
    progress(`filling the outbox with ${messages.toLocaleString('en')} messages`)
    await fillOutbox(pool, schema, messages, { sampledOneIn })
    await pool.query(`VACUUM ANALYZE ${schema}.outbox`)
    await pool.query('CHECKPOINT')
    return interleave(
      Object.entries(observedArms).map(([name, env]) => drainArm(name, { script: 'relay', env }, servers, messages)),
      { suite: 'observed', rounds, progress, settings: { messages, payloadBytes: 200, headers: 7, sampledOneIn } },
    )
  })
}
