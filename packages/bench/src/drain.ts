import { migrate } from '@oncebox/schema'
import { type KafkaServer, type PostgresServer, startKafka, startPostgres } from '@oncebox/testkit'
import kafkajs from 'kafkajs'
import pg from 'pg'
import type { ArmResult } from './armResult.js'
import { fillNaive } from './naiveTable.js'
import { runArm } from './runArm.js'
import { spread } from './statistics.js'
import { fillOutbox, partitions, rewind, topic } from './workload.js'

const schema = 'oncebox'

/** What can be measured: the name in the result, the file in `arms/`, and what it is run with. */
export const drainArms = {
  oncebox: { script: 'relay', env: { TRANSPORT: 'kafka' } },
  onceboxKafkajs: { script: 'relay', env: { TRANSPORT: 'kafkajs' } },
  rawRead: { script: 'rawRead', env: {} },
  rawProduce: { script: 'rawProduce', env: {} },
  kafkajsProduce: { script: 'kafkajsProduce', env: {} },
  naiveRelay: { script: 'naiveRelay', env: { LIMIT: '100' } },
  naiveRelay1000: { script: 'naiveRelay', env: { LIMIT: '1000' } },
} as const

export type DrainArm = keyof typeof drainArms

export interface DrainOptions {
  readonly messages: number
  /** How often each arm runs, in turn with the others. */
  readonly rounds: number
  readonly arms: readonly DrainArm[]
  readonly progress: (line: string) => void
}

export type DrainRuns = ReadonlyMap<DrainArm, readonly ArmResult[]>

/**
 * Fills an outbox with `messages` and lets every arm drain, read or produce that many, in turn, on a Postgres and a Kafka
 * of its own. Each run is checked: the topic has grown by exactly as many records. Cleans up after itself.
 */
export async function drain(options: DrainOptions): Promise<DrainRuns> {
  options.progress('starting Postgres and Kafka')
  const postgres = await startPostgres({ settings: { shared_buffers: '1GB', max_wal_size: '8GB' } })
  try {
    const kafka = await startKafka({ jvmOptions: ['-Xms512m', '-Xmx1g'] })
    try {
      return await measureAll(postgres, kafka, options)
    } finally {
      await kafka.stop()
      await kafka.remove()
    }
  } finally {
    await postgres.stop()
    await postgres.remove()
  }
}

async function measureAll(postgres: PostgresServer, kafka: KafkaServer, options: DrainOptions): Promise<DrainRuns> {
  const { messages, arms, rounds, progress } = options
  const pool = new pg.Pool({ connectionString: postgres.url, max: 2 })
  const admin = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.ERROR }).admin()
  const runs = new Map<DrainArm, ArmResult[]>(arms.map((arm) => [arm, []]))
  try {
    await admin.connect()
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: partitions }] })
    const client = await pool.connect()
    await migrate(client, { schema })
    client.release()
    progress(`filling the outbox with ${messages.toLocaleString('en')} messages`)
    await fillOutbox(pool, schema, messages)
    await pool.query(`VACUUM ANALYZE ${schema}.outbox`)
    await pool.query('CHECKPOINT')
    for (let round = 1; round <= rounds; round++) {
      for (const arm of arms) {
        const { script, env } = drainArms[arm]
        if (script === 'relay') await rewind(pool, schema)
        if (script === 'naiveRelay') await fillNaive(pool, schema)
        const before = await records(admin)
        const shared = { DATABASE_URL: postgres.url, KAFKA_BROKERS: kafka.brokers.join(','), MESSAGES: `${messages}` }
        const result = await runArm(script, { ...shared, ...env })
        const written = (await records(admin)) - before
        const expected = script === 'rawRead' ? 0 : messages
        if (result.messages !== messages || written !== expected) {
          throw new Error(`${arm} moved ${result.messages} messages and wrote ${written}, not ${messages}`)
        }
        runs.get(arm)?.push(result)
        progress(`round ${round}: ${arm} ${describe(result)}`)
      }
    }
    return runs
  } finally {
    await admin.disconnect()
    await pool.end()
  }
}

async function records(admin: kafkajs.Admin): Promise<number> {
  const offsets = await admin.fetchTopicOffsets(topic)
  return offsets.reduce((sum, { high }) => sum + Number(high), 0)
}

function describe({ messages, seconds, cpuUsPerMessage, rssMb }: ArmResult): string {
  const rate = Math.round(messages / seconds).toLocaleString('en')
  return `${rate}/s, ${cpuUsPerMessage.toFixed(1)} µs of CPU a message, ${rssMb.toFixed(0)} MB`
}

/** Medians in the shape of the command's JSON: a rate for each arm, CPU and memory beside them. Pure. */
export function summarize(runs: DrainRuns): Record<string, unknown> {
  const of = (value: (result: ArmResult) => number) =>
    Object.fromEntries([...runs].map(([arm, results]) => [arm, spread(results.map(value))]))
  const rates = of((result) => result.messages / result.seconds)
  const cpu = of((result) => result.cpuUsPerMessage)
  const memory = of((result) => result.rssMb)
  const medians = (all: Record<string, { median: number }>, digits: number) =>
    Object.fromEntries(Object.entries(all).map(([arm, { median }]) => [arm, Number(median.toFixed(digits))]))
  return {
    ...medians(rates, 0),
    cpuUsPerMessage: medians(cpu, 2),
    rssMb: medians(memory, 0),
    spread: Object.fromEntries(
      Object.entries(rates).map(([arm, { min, max }]) => [arm, [Math.round(min), Math.round(max)]]),
    ),
  }
}
