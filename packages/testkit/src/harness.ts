// Databases and topics of their own for tests, on servers that all test files share.

import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { compilesSources, findJava } from './java.js'
import { type JavaToolResult, runJavaTool } from './javaTool.js'
import { kafkaAvailability, prepareKafka } from './kafkaRuntime.js'
import { findPgbouncer } from './pgbouncer.js'
import type { PostgresVersion } from './postgresBinaries.js'
import { urlAs } from './roleLogins.js'
import { createSharedServers, offeredServers, type SharedServers } from './sharedServers.js'
import { until } from './until.js'

export { keepAliveAsksInMs, keepAliveUnknown } from './keepAlive.js'

/**
 * The versions every SQL statement of this project is tested on, for `describe.each`: 18 and 15, or those that
 * `ONCEBOX_POSTGRES_VERSIONS` names (`14,16,17`).
 */
export const postgresVersions: readonly PostgresVersion[] = (process.env.ONCEBOX_POSTGRES_VERSIONS ?? '18,15')
  .split(',')
  .map((version) => Number(version) as PostgresVersion)

/** A database of its own on the shared server. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string
  readonly name: string
  readonly version: PostgresVersion
  /** Of a superuser, who owns everything in it; at most ten connections; ended by `drop`. */
  readonly pool: pg.Pool
  /** The same for a login that has the rights of `role` and no others, made by `createRoleLogins`. */
  as(role: string): pg.Pool
  /** Its connection string. */
  urlAs(role: string): string
  /** Ends the pool and drops the database, with the sessions others have on it. */
  drop(): Promise<void>
}

export interface TestDatabaseOptions {
  /** Default 18. */
  readonly version?: PostgresVersion
  /** Runs on the fresh database before it is handed out: migrations, tables. Default: nothing. */
  readonly prepare?: (database: { url: string; pool: pg.Pool }) => Promise<unknown>
}

export { createRoleLogins, urlAs } from './roleLogins.js'

let own: SharedServers | undefined

// Without the global setup of the vitest configuration, this process keeps servers of its own until it ends.
function servers(): Omit<SharedServers, 'stop'> {
  const offered = offeredServers()
  if (offered !== undefined) return offered
  own ??= createSharedServers()
  return own
}

/**
 * Creates an empty database on the run's shared Postgres, which is started for the first who asks and runs with
 * `fastSettings`. Never crash or stop that server: others use it; `startPostgres` gives you your own.
 */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const version = options.version ?? 18
  const server = await servers().postgres(version)
  const name = uniqueName('test')
  await administer(server, (client) => client.query(`create database ${pg.escapeIdentifier(name)}`))
  const url = new URL(server)
  url.pathname = `/${name}`
  const pool = calmPool(url.href)
  const pools = new Map<string, pg.Pool>()
  const drop = async (): Promise<void> => {
    await Promise.all([pool, ...pools.values()].map((each) => each.ended || each.end()))
    await administer(server, async (client) => {
      await sessionsEnd(client, name)
      await client.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`)
    })
  }
  try {
    await options.prepare?.({ url: url.href, pool })
  } catch (error) {
    await drop()
    throw error
  }
  return {
    url: url.href,
    name,
    version,
    pool,
    as(role) {
      const its = pools.get(role) ?? calmPool(urlAs(url.href, role))
      pools.set(role, its)
      return its
    },
    urlAs: (role) => urlAs(url.href, role),
    drop,
    [Symbol.asyncDispose]: drop,
  }
}

/**
 * A connection that a test terminates would otherwise end the test process: an idle one is the pool's, and one that the
 * pool is closing, which it has let go of before its socket is closed, is nobody's.
 */
function calmPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 10 })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

/**
 * Why Kafka suites are to be skipped, for `describe.skipIf(await kafkaMissing())`, or undefined. Where Kafka is
 * required (`ONCEBOX_REQUIRE_KAFKA=1` or `CI=true`) nothing is skipped, and `testKafka` fails the tests instead.
 * The reason is printed once for each test file.
 */
export async function kafkaMissing(): Promise<string | undefined> {
  if (process.env.KAFKA_BROKERS || process.env.ONCEBOX_REQUIRE_KAFKA === '1' || process.env.CI === 'true')
    return undefined
  const availability = await kafkaAvailability()
  if (availability.available) return undefined
  process.stderr.write(`Kafka tests are skipped: ${availability.reason}\n`)
  return availability.reason
}

/**
 * Why tests with a Java source file are to be skipped, or undefined: some builds of Java have no compiler (Debian's
 * have one, without the JDK too). Ask after `kafkaMissing`, as it wants the same and is required in the same cases.
 */
export async function javaSourcesMissing(): Promise<string | undefined> {
  if (process.env.ONCEBOX_REQUIRE_KAFKA === '1' || process.env.CI === 'true') return undefined
  const java = await findJava()
  if (java !== undefined && (await compilesSources(java))) return undefined
  const reason = java === undefined ? 'Java is not installed' : 'this Java has no compiler (a JDK has)'
  process.stderr.write(`tests with Java sources are skipped: ${reason}\n`)
  return reason
}

/**
 * Why tests through pgbouncer are to be skipped, for `describe.skipIf(pgbouncerMissing())`, or undefined. In CI
 * (`CI=true`) nothing is skipped, and `startPgbouncer` fails the tests instead. The reason is printed.
 */
export function pgbouncerMissing(): string | undefined {
  if (process.env.CI === 'true' || findPgbouncer() !== undefined) return undefined
  const reason = 'pgbouncer is not installed (apt-get install pgbouncer)'
  process.stderr.write(`pgbouncer tests are skipped: ${reason}\n`)
  return reason
}

/**
 * The run's shared Kafka: the one in `KAFKA_BROKERS` (`host:port,…`), else a broker that is started for the first who
 * asks. Topics are not created by writing to them; take `uniqueName` for theirs. Never kill that broker: others use
 * it; `startKafka` gives you your own. Rejects where none can be had.
 */
export async function testKafka(): Promise<{ readonly brokers: string[] }> {
  if (process.env.KAFKA_BROKERS) return { brokers: process.env.KAFKA_BROKERS.split(',') }
  return { brokers: await servers().kafka() }
}

/**
 * Runs a Java program of Kafka's jars to its end, with `input` as its standard input: what others see of the shared
 * Kafka, and do to it. It is named by its class, such as `org.apache.kafka.tools.consumer.ConsoleConsumer`, or is a
 * source file of one's own (a path that ends in `.java`), which Java compiles as it starts (see `javaSourcesMissing`).
 */
export async function kafkaTool(
  program: string,
  args: readonly string[],
  options: { readonly input?: string } = {},
): Promise<JavaToolResult> {
  return runJavaTool(await prepareKafka(), program, args, options)
}

/** A name nobody else uses, fit for topics, groups, databases and schemas: `prefix_3f9c…` in lower case. */
export function uniqueName(prefix: string): string {
  return `${prefix}_${randomBytes(6).toString('hex')}`
}

const partingMs = 500

/**
 * Lets connections that their owners have closed come to their end before the rest is terminated: an owner whose
 * `end()` has returned no longer expects an error.
 */
async function sessionsEnd(client: pg.Client, database: string): Promise<void> {
  const none = async (): Promise<boolean> => {
    const { rows } = await client.query('select 1 from pg_stat_activity where datname = $1 limit 1', [database])
    return rows.length === 0
  }
  // The ones that stay belong to a test that left them open; they are terminated with the database.
  await until(none, { what: `the sessions on ${database} to end`, deadlineMs: partingMs }).catch(() => undefined)
}

async function administer(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
