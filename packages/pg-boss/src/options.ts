import {
  checkSettings,
  type EventfulPool,
  kinds,
  type Logger,
  OnceboxError,
  type SettingKinds,
  silentLogger,
  topicNameProblem,
} from '@oncebox/core'

/** A statement; `query_timeout`: milliseconds until it has failed for want of an answer. */
export interface ConnectionQuery {
  readonly text: string
  readonly values?: unknown[]
  readonly query_timeout: number
}

/** A connection of a pool, as much of it as is used. `release(error)` with an error drops the connection. */
export interface PooledConnection {
  /** Runs one statement, as pg's own, with a configuration object. */
  query(query: ConnectionQuery): Promise<{ rows: unknown[] }>
  /** Gives it back; with an error or true, drops it. */
  release(error?: Error | boolean): void
  /** Adds a listener for a lost connection. */
  on(event: 'error', listener: (error: Error) => void): unknown
  /** Takes a listener away. */
  off(event: 'error', listener: (error: Error) => void): unknown
}

/** A pool of Postgres connections; `pg.Pool` is one. */
export interface ConnectionPool extends EventfulPool {
  /** A connection for the caller alone, until it releases it. */
  connect(): Promise<PooledConnection>
}

export interface PgBossOptions {
  /**
   * Where pg-boss keeps its schema. Connections opened for it are closed by `close`. Default: none; then `pool` is
   * needed.
   */
  readonly connectionString?: string
  /**
   * An existing pool, instead of `connectionString`; the caller closes it. Three free connections are enough. Default:
   * one of its own on `connectionString`.
   */
  readonly pool?: ConnectionPool
  /**
   * Each topic's consumer groups. A record goes to every group that is named here, and only to those: relay and
   * consumers share this declaration. A topic without groups is refused with `TOPIC_WITHOUT_GROUP`.
   */
  readonly topics: Readonly<Record<string, readonly string[]>>
  /** pg-boss's own schema, made when it is not there. Default `pgboss`. */
  readonly schema?: string
  /**
   * After so many seconds without a sign of life a worker counts as dead, and its jobs go to the others. Default 5, at
   * least 1. Applies to jobs published from now on. A killed worker's job comes back within this and about two seconds.
   */
  readonly heartbeatSeconds?: number
  /** How long completed jobs are kept, in seconds. Default 3,600, at least 1. */
  readonly keepCompletedSeconds?: number
  /** Largest record (key, value and headers together, in bytes); larger ones are refused. Default 16 MiB. */
  readonly maxRecordBytes?: number
  /** Default: silent. */
  readonly logger?: Logger
}

/** The options with their defaults. */
export interface Settings {
  readonly connectionString: string | undefined
  readonly pool: ConnectionPool | undefined
  readonly topics: ReadonlyMap<string, readonly string[]>
  readonly schema: string
  readonly heartbeatSeconds: number
  readonly keepCompletedSeconds: number
  readonly maxRecordBytes: number
  readonly answerMs: number
  readonly logger: Logger
}

/**
 * How long pg-boss's database may say nothing, in milliseconds. Whoever publishes or works waits with a connection whose other
 * end has vanished; longer than this, no statement of pg-boss takes.
 */
const answerMs = 60_000

const settingKinds: SettingKinds<PgBossOptions> = {
  connectionString: kinds.text,
  pool: kinds.withMethods('a pg pool', 'connect', 'on'),
  topics: kinds.recordOf(kinds.listOf(kinds.text)),
  schema: kinds.text,
  heartbeatSeconds: kinds.count(1),
  keepCompletedSeconds: kinds.count(1),
  maxRecordBytes: kinds.bytes(1),
  logger: kinds.logger,
}

/** @throws OnceboxError `INVALID_SETTING`. */
export function resolveSettings(options: PgBossOptions): Settings {
  checkSettings('pgBoss', options, settingKinds, ['topics'])
  if ((options.connectionString === undefined) === (options.pool === undefined)) {
    throw invalid('pgBoss() needs either a connectionString or a pool', 'Pass one of the two.')
  }
  const topics = new Map(Object.entries(options.topics).map(([topic, groups]) => [topic, [...new Set(groups)]]))
  for (const [topic, groups] of topics) {
    const problem = topicNameProblem(topic)
    if (problem !== null) throw invalid(`The topic name ${JSON.stringify(topic)} ${problem}`, 'Rename the topic.')
    if (groups.some((group) => group === '' || !group.isWellFormed() || Buffer.byteLength(group) > 255)) {
      throw invalid(`A group of topic ${topic} has an unusable name`, 'Use 1 to 255 bytes of text.')
    }
  }
  return {
    connectionString: options.connectionString,
    pool: options.pool,
    topics,
    schema: options.schema ?? 'pgboss',
    heartbeatSeconds: options.heartbeatSeconds ?? 5,
    keepCompletedSeconds: options.keepCompletedSeconds ?? 3_600,
    maxRecordBytes: options.maxRecordBytes ?? 16 * 1024 * 1024,
    answerMs,
    logger: options.logger ?? silentLogger,
  }
}

function invalid(what: string, next: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what, { next })
}
