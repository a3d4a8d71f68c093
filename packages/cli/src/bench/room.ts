import { randomBytes } from 'node:crypto'
import type { Logger } from '@oncebox/core'
import type { KafkaTransport } from '@oncebox/kafka'
import { migrate, quoteSchema } from '@oncebox/schema'
import type pg from 'pg'
import type { OpenDatabase } from '../command/database.js'

/** Where a benchmark works: a schema and a topic that nobody else has. */
export interface BenchRoom {
  readonly pool: pg.Pool
  readonly transport: KafkaTransport
  readonly schema: string
  /** The schema as SQL. */
  readonly quotedSchema: string
  readonly topic: string
  /** Of consumers. */
  readonly group: string
  readonly signal: AbortSignal
}

export const benchPartitions = 3

/** A name that nobody has, for schema, topic and group. */
export function benchName(): string {
  return `oncebox_bench_${randomBytes(6).toString('hex')}`
}

/** Makes schema and topic, runs `work` with them, and removes both, whatever became of it. */
export async function inRoom<T>(
  parts: {
    readonly name: string
    readonly database: OpenDatabase
    readonly transport: KafkaTransport
    readonly signal: AbortSignal
    readonly logger: Logger
  },
  work: (room: BenchRoom) => Promise<T>,
): Promise<T> {
  const { name, database, transport, signal, logger } = parts
  const quotedSchema = quoteSchema(name)
  logger.info({ schema: name, topic: name }, 'working in a schema and a topic of its own, which are removed at the end')
  const undo: (() => Promise<unknown>)[] = []
  try {
    undo.push(() => database.pool.query(`DROP SCHEMA IF EXISTS ${quotedSchema} CASCADE`))
    await database.session((client) => migrate(client, { schema: name }))
    await database.pool.query(
      `CREATE TABLE ${quotedSchema}.business (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text, cents integer)`,
    )
    undo.push(() => transport.deleteTopic(name))
    await transport.createTopic(name, benchPartitions)
    return await work({ pool: database.pool, transport, schema: name, quotedSchema, topic: name, group: name, signal })
  } finally {
    for (const step of undo) {
      await step().catch((error) => logger.error({ error, schema: name, topic: name }, 'this could not be removed'))
    }
  }
}
