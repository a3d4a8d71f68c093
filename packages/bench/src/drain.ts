import { type ArmResult, sampleOf } from './armResult.js'
import { type Arm, interleave } from './interleave.js'
import { fillNaive } from './naiveTable.js'
import { figure, type SuiteResult } from './results.js'
import { runArm } from './runArm.js'
import { type BenchServers, createTopics, migrated, recordsIn, withServers } from './servers.js'
import { fillOutbox, partitions, rewind, topic } from './workload.js'

const schema = 'oncebox'

/** What can be measured: the name in the result, the file in `arms/`, and what it is run with. */
export const drainArms = {
  oncebox: { script: 'relay', env: { TRANSPORT: 'kafka' } },
  onceboxMetrics: { script: 'relay', env: { TRANSPORT: 'kafka', METRICS: 'on' } },
  onceboxKafkajs: { script: 'relay', env: { TRANSPORT: 'kafkajs' } },
  rawRead: { script: 'rawRead', env: {} },
  rawProduce: { script: 'rawProduce', env: {} },
  kafkajsProduce: { script: 'kafkajsProduce', env: {} },
  naiveRelay: { script: 'naiveRelay', env: { LIMIT: '100' } },
  naiveRelay1000: { script: 'naiveRelay', env: { LIMIT: '1000' } },
} as const

export type DrainArm = keyof typeof drainArms

/** What is measured when nobody names arms. The price of metrics is asked for: it is a ratio to `oncebox` and nothing else. */
export const usualArms = (Object.keys(drainArms) as DrainArm[]).filter((arm) => arm !== 'onceboxMetrics')

export interface DrainOptions {
  readonly messages: number
  /** How often each arm runs, in turn with the others. */
  readonly rounds: number
  readonly arms: readonly DrainArm[]
  readonly progress: (line: string) => void
}

/**
 * Fills an outbox with `messages` and lets every arm drain, read or produce that many, in turn, on a Postgres and a Kafka
 * of its own. Each run is checked: the topic has grown by exactly as many records. Cleans up after itself.
 */
export function drain(options: DrainOptions): Promise<SuiteResult> {
  const { messages, arms, rounds, progress } = options
  return withServers({ progress }, async (servers) => {
    const { pool, admin } = servers
    await createTopics(admin, [topic], partitions)
    await migrated(pool, schema)
    progress(`filling the outbox with ${messages.toLocaleString('en')} messages`)
    await fillOutbox(pool, schema, messages)
    await pool.query(`VACUUM ANALYZE ${schema}.outbox`)
    await pool.query('CHECKPOINT')
    return interleave(
      arms.map((name) => drainArm(name, drainArms[name], servers, messages)),
      { suite: 'drain', rounds, progress, settings: { messages, payloadBytes: 200, headers: 6 } },
    )
  })
}

/** One file of `arms/` that moves everything in the outbox, checked by what the topic has grown by. */
export function drainArm(
  name: string,
  { script, env }: { readonly script: string; readonly env: Readonly<Record<string, string>> },
  { pool, admin, environment }: BenchServers,
  messages: number,
): Arm {
  return {
    name,
    async run() {
      if (script === 'relay') await rewind(pool, schema)
      if (script === 'naiveRelay') await fillNaive(pool, schema)
      const before = await recordsIn(admin, topic)
      const result: ArmResult = await runArm(script, { ...environment, MESSAGES: `${messages}`, ...env })
      const written = (await recordsIn(admin, topic)) - before
      const expected = script === 'rawRead' ? 0 : messages
      if (result.messages !== messages || written !== expected) {
        throw new Error(`moved ${result.messages} messages and wrote ${written}, not ${messages}`)
      }
      return sampleOf(result)
    },
  }
}

/**
 * Medians in the shape of the command's JSON: a rate for each arm (null for one that failed), CPU and memory beside them.
 * Pure.
 */
export function summarize(result: SuiteResult): Record<string, unknown> {
  const arms = Object.keys(result.samples)
  const of = <T>(value: (arm: string) => T) => Object.fromEntries(arms.map((arm) => [arm, value(arm)]))
  const medians = (name: string, digits: number) =>
    of((arm) => {
      const found = figure(result, arm, name)
      return found === undefined ? null : Number(found.median.toFixed(digits))
    })
  return {
    ...medians('perSecond', 0),
    cpuUsPerMessage: medians('cpuUs', 2),
    postgresCpuUsPerMessage: medians('postgresCpuUs', 2),
    kafkaCpuUsPerMessage: medians('kafkaCpuUs', 2),
    rssMb: medians('rssMb', 0),
    spread: of((arm) => {
      const found = figure(result, arm, 'perSecond')
      return found === undefined ? null : [Math.round(found.min), Math.round(found.max)]
    }),
    ...(result.failures.length === 0 ? {} : { failures: result.failures }),
  }
}
