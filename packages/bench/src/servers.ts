import { migrate } from '@oncebox/schema'
import { type KafkaServer, type PostgresServer, startKafka, startPostgres, until } from '@oncebox/testkit'
import kafkajs, { type Admin } from 'kafkajs'
import pg from 'pg'

/** A Postgres and a Kafka of the benchmark's own, on this machine. */
export interface BenchServers {
  readonly postgres: PostgresServer
  readonly kafka: KafkaServer
  /** Two sessions on the database `postgres`. */
  readonly pool: pg.Pool
  readonly admin: Admin
  /** What arms find in their environment. */
  readonly environment: Readonly<Record<string, string>>
}

export interface ServersOptions {
  /** Lines of postgresql.conf over the benchmark's. */
  readonly settings?: Readonly<Record<string, string>>
  readonly progress: (line: string) => void
}

/** Durable, as in production: fsync is on. Memory and WAL so that no checkpoint falls into a measurement by chance. */
export const postgresSettings = {
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '1h',
  shared_preload_libraries: 'pg_stat_statements',
}

/** Runs `work` on servers of its own, which are removed afterwards, however it ends. */
export async function withServers<T>(options: ServersOptions, work: (servers: BenchServers) => Promise<T>): Promise<T> {
  options.progress('starting Postgres and Kafka')
  const postgres = await startPostgres({ settings: { ...postgresSettings, ...options.settings } })
  try {
    const kafka = await startKafka({
      jvmOptions: ['-Xms512m', '-Xmx1g'],
      settings: { 'log.retention.check.interval.ms': '10000' },
    })
    const pool = new pg.Pool({ connectionString: postgres.url, max: 2 })
    pool.on('error', () => undefined)
    const admin = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin()
    try {
      await admin.connect()
      const environment = {
        DATABASE_URL: postgres.url,
        KAFKA_BROKERS: kafka.brokers.join(','),
        POSTGRES_PID: `${postgres.pid ?? ''}`,
        KAFKA_PID: `${kafka.pid ?? ''}`,
      }
      return await work({ postgres, kafka, pool, admin, environment })
    } finally {
      await admin.disconnect().catch(() => undefined)
      await pool.end()
      await kafka.remove()
    }
  } finally {
    await postgres.remove()
  }
}

/** Creates topics; old segments go, so that a long benchmark does not fill the disk. Resolves when all have leaders. */
export async function createTopics(admin: Admin, names: readonly string[], partitions: number): Promise<void> {
  const configEntries = [
    { name: 'retention.bytes', value: `${512 << 20}` },
    { name: 'segment.bytes', value: `${128 << 20}` },
  ]
  const common = { numPartitions: partitions, replicationFactor: 1, configEntries }
  await admin.createTopics({ waitForLeaders: false, topics: names.map((topic) => ({ topic, ...common })) })
  const led = async () => {
    // The client fails as a whole while one of them is unknown.
    const metadata = await admin.fetchTopicMetadata({ topics: [...names] }).catch(() => undefined)
    return metadata?.topics.every(({ partitions: all }) => all.length > 0 && all.every(({ leader }) => leader >= 0))
  }
  await until(async () => (await led()) === true, { what: 'the topics to have leaders', deadlineMs: 60_000 })
}

/** How many records were ever written to a topic, those that went with old segments included. */
export async function recordsIn(admin: Admin, topic: string): Promise<number> {
  const offsets = await admin.fetchTopicOffsets(topic)
  return offsets.reduce((sum, { high }) => sum + Number(high), 0)
}

/** Puts oncebox's tables into the pool's database. */
export async function migrated(pool: pg.Pool, schema: string): Promise<void> {
  const client = await pool.connect()
  try {
    await migrate(client, { schema })
  } finally {
    client.release()
  }
}
