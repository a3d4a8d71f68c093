import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from './freePort.js'
import { findPostgres, type PostgresSource, type PostgresVersion } from './postgresBinaries.js'
import { initializeCluster, prepareDataDirectory, type ServerPlace, writeSettings } from './postgresCluster.js'
import { type PostgresProcess, startPostgresProcess } from './postgresProcess.js'
import { startReaper } from './reaper.js'
import type { SmallDisk } from './smallDisk.js'
import { until } from './until.js'

export interface PostgresOptions {
  /** Major version. Default 18. */
  readonly version?: PostgresVersion
  /** Default: 18 from npm; 15 from Debian's packages where installed, else from npm. */
  readonly source?: PostgresSource
  /** Lines of postgresql.conf, over the defaults; `fastSettings` is a set of them. Default: none. */
  readonly settings?: Readonly<Record<string, string>>
  /** An existing cluster is started; an empty or absent directory gets one. Default: a temporary directory. */
  readonly dataDirectory?: string
  /** Where its files are; the server has to end before it. Default: an ordinary directory. */
  readonly disk?: SmallDisk
  /** Default: a free one. */
  readonly port?: number
}

/** A running Postgres on 127.0.0.1: user `postgres`, no password. Ends with this process, however that ends. */
export interface PostgresServer {
  readonly version: PostgresVersion
  readonly source: PostgresSource
  /** Connection string of the database `postgres`. */
  readonly url: string
  readonly port: number
  readonly dataDirectory: string
  /** Of the postmaster; undefined while the server is down. */
  readonly pid: number | undefined
  /** Connection string of a database of this server, whether it exists or not. */
  urlOf(database: string): string
  /** Creates a database and resolves with its connection string. Default name: a random one. */
  createDatabase(name?: string): Promise<string>
  /** Drops a database, by name or connection string, and ends its sessions; none there is fine. */
  dropDatabase(nameOrUrl: string): Promise<void>
  /** Immediate shutdown: every process ends at once, what was not written is lost, the next start recovers. */
  crash(): Promise<void>
  /** Fast shutdown: open transactions are rolled back, everything is written. A server that is down is fine. */
  stop(): Promise<void>
  /** Starts again on the same data and port. A running server is an error. */
  start(): Promise<void>
  /** Fast shutdown, then start. */
  restart(): Promise<void>
  /** Turns a standby into a primary; resolves when it accepts writes. */
  promote(): Promise<void>
  /** The server's log so far. */
  log(): Promise<string>
  /** Stops the server; a temporary data directory is removed, a given one is left. Not to be started again. */
  remove(): Promise<void>
}

/**
 * For tests that do not crash the operating system: no fsync. A commit still reaches the kernel before it returns, so
 * these settings keep what `crash()` must keep and lose what it must lose.
 */
export const fastSettings: Readonly<Record<string, string>> = { fsync: 'off', full_page_writes: 'off' }

const defaultSettings: Readonly<Record<string, string>> = {
  max_connections: '200',
  wal_level: 'logical',
  max_prepared_transactions: '10',
  // A standby begins to stream a while after its files were copied.
  wal_keep_size: '256MB',
  log_line_prefix: '%m [%p] %d ',
}

/** Fills the data directory before the first start: initdb, or a copy of a primary. */
export type FillDataDirectory = (binaries: string, place: ServerPlace) => Promise<void>

/** Makes a cluster where there is none and starts a server on it. Resolves when it accepts connections. */
export function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  return startFilled(options, initializeCluster)
}

/** `startPostgres` on a data directory that `fill` prepares. */
export async function startFilled(options: PostgresOptions, fill: FillDataDirectory): Promise<PostgresServer> {
  const version = options.version ?? 18
  const binaries = await findPostgres(version, options.source)
  const home = await mkdtemp(join(tmpdir(), 'oncebox-postgres-'))
  const reaper = startReaper('QUIT', home)
  try {
    await chmod(home, 0o755)
    const place = placeOf(options, home)
    const dataDirectory = place.outside
    await prepareDataDirectory(dataDirectory)
    await fill(binaries.directory, place)
    await writeSettings(dataDirectory, { ...defaultSettings, ...options.settings })
    const logFile = join(home, 'postgres.log')
    const begin = async (port: number): Promise<PostgresProcess> => {
      const started = await startPostgresProcess({ binaries: binaries.directory, place, port, logFile })
      reaper.watch(started.pid)
      return started
    }
    const { port, first } = await beginOnFreePort(options.port, begin)
    return serve({ version, source: binaries.source, dataDirectory, port, first, begin, logFile, home, reaper })
  } catch (error) {
    reaper.dismiss()
    await rm(home, { recursive: true, force: true })
    throw error
  }
}

function placeOf({ disk, dataDirectory }: PostgresOptions, home: string): ServerPlace {
  if (disk !== undefined) return { inside: join(disk.directory, 'data'), outside: join(disk.outside, 'data'), disk }
  const directory = dataDirectory ?? join(home, 'data')
  return { inside: directory, outside: directory }
}

/** Another process may take a port between our look and our start, so one that we chose is chosen again. */
async function beginOnFreePort(
  given: number | undefined,
  begin: (port: number) => Promise<PostgresProcess>,
): Promise<{ port: number; first: PostgresProcess }> {
  for (let attempt = 1; ; attempt++) {
    const port = given ?? (await freePort())
    try {
      return { port, first: await begin(port) }
    } catch (error) {
      if (given !== undefined || attempt === 3) throw error
    }
  }
}

interface Parts {
  readonly version: PostgresVersion
  readonly source: PostgresSource
  readonly dataDirectory: string
  readonly port: number
  readonly first: PostgresProcess
  readonly begin: (port: number) => Promise<PostgresProcess>
  readonly logFile: string
  readonly home: string
  readonly reaper: { watch(pid: number | undefined): void; dismiss(): void }
}

function serve(parts: Parts): PostgresServer {
  const { port, dataDirectory } = parts
  let running: PostgresProcess | undefined = parts.first
  const urlOf = (database: string): string => `postgres://postgres@127.0.0.1:${port}/${encodeURIComponent(database)}`
  const url = urlOf('postgres')

  async function end(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    await running?.end(signal)
    running = undefined
    parts.reaper.watch(undefined)
  }

  async function start(): Promise<void> {
    if (running !== undefined && !running.ended) throw new Error(`Postgres on port ${port} is already running`)
    running = await parts.begin(port)
  }

  return {
    version: parts.version,
    source: parts.source,
    url,
    port,
    dataDirectory,
    get pid() {
      return running === undefined || running.ended ? undefined : running.pid
    },
    urlOf,
    async createDatabase(name = `test_${randomBytes(8).toString('hex')}`) {
      await withClient(url, (client) => client.query(`create database ${pg.escapeIdentifier(name)}`))
      return urlOf(name)
    },
    async dropDatabase(nameOrUrl) {
      const name = nameOrUrl.startsWith('postgres://')
        ? decodeURIComponent(new URL(nameOrUrl).pathname.slice(1))
        : nameOrUrl
      await withClient(url, (client) =>
        client.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`),
      )
    },
    crash: () => end('SIGQUIT'),
    stop: () => end('SIGINT'),
    start,
    async restart() {
      await end('SIGINT')
      await start()
    },
    async promote() {
      await withClient(url, async (client) => {
        await client.query('select pg_promote()')
        await until(
          async () => (await client.query('select pg_is_in_recovery() as standby')).rows[0].standby === false,
          {
            deadlineMs: 60_000,
            what: `the standby on port ${port} to become a primary`,
          },
        )
      })
    },
    log: () => readFile(parts.logFile, 'utf8'),
    async remove() {
      await end('SIGINT')
      parts.reaper.dismiss()
      await rm(parts.home, { recursive: true, force: true })
    },
  }
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
