import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import pg from 'pg'
import { freePort } from './freePort.js'
import { giveToServer, serverEnvironment, serverUser } from './postgresCluster.js'
import { startReaper } from './reaper.js'
import { until } from './until.js'

export interface PgbouncerOptions {
  /** Connection string of any database of the server below; its user is the one of every session. */
  readonly url: string
  /** What a client keeps between its transactions: nothing (`transaction`), or its session. Default `transaction`. */
  readonly poolMode?: 'transaction' | 'session'
  /** Server connections for each database. Default 3. */
  readonly poolSize?: number
  /** Lines of pgbouncer.ini's section `[pgbouncer]`, over the defaults. Default: none. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A running pgbouncer on 127.0.0.1 that lets everybody in. Ends with this process, however that ends. */
export interface Pgbouncer extends AsyncDisposable {
  readonly port: number
  readonly pid: number
  /** A connection string of the server below, as one through the pooler. */
  through(url: string): string
  /** Its log so far. */
  log(): Promise<string>
  /** Ends it and removes its files. */
  remove(): Promise<void>
}

/** The program in PATH or where Debian puts it, which is not in every user's PATH; undefined where there is none. */
export function findPgbouncer(): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  return directories.map((directory) => join(directory, 'pgbouncer')).find((file) => existsSync(file))
}

/** Starts a pgbouncer as this user, or as nobody where that is root. Resolves when it serves; rejects where it is not installed. */
export async function startPgbouncer(options: PgbouncerOptions): Promise<Pgbouncer> {
  const program = findPgbouncer()
  if (program === undefined) throw new Error('pgbouncer is not installed: apt-get install pgbouncer')
  const home = await mkdtemp(join(tmpdir(), 'oncebox-pgbouncer-'))
  const reaper = startReaper('QUIT', home)
  try {
    await chmod(home, 0o755)
    for (let attempt = 1; ; attempt++) {
      const port = await freePort()
      try {
        const started = await startProcess(program, home, port, options)
        reaper.watch(started.pid)
        return serve(port, home, started, () => reaper.dismiss())
      } catch (error) {
        // Another process may have taken the port between our look and our start.
        if (attempt === 3) throw error
      }
    }
  } catch (error) {
    reaper.dismiss()
    await rm(home, { recursive: true, force: true })
    throw error
  }
}

interface Started {
  readonly pid: number
  readonly logFile: string
  end(): Promise<void>
}

async function startProcess(program: string, home: string, port: number, options: PgbouncerOptions): Promise<Started> {
  const file = join(home, 'pgbouncer.ini')
  await writeFile(file, configuration(port, options))
  await giveToServer(file)
  const logFile = join(home, 'pgbouncer.log')
  const log = await open(logFile, 'a')
  const stdio = ['ignore', log.fd, log.fd] as const
  const child = spawn(program, [file], { stdio: [...stdio], env: serverEnvironment, detached: true, ...serverUser })
  let ended = false
  child.once('exit', () => {
    ended = true
  })
  child.once('error', () => {
    ended = true
  })
  child.unref()
  await log.close()
  const end = async () => {
    if (!ended) child.kill('SIGQUIT')
    await until(() => ended, { deadlineMs: 30_000, what: `pgbouncer on port ${port} to end` })
  }
  try {
    await until(async () => ended || (await answers(through(options.url, port))), {
      deadlineMs: 30_000,
      what: `pgbouncer on port ${port} to serve`,
    })
    if (ended) throw new Error('pgbouncer ended while it started')
  } catch (error) {
    await end()
    throw new Error(`${(error as Error).message}; its log:\n${await readFile(logFile, 'utf8')}`, { cause: error })
  }
  return { pid: child.pid as number, logFile, end }
}

function configuration(port: number, options: PgbouncerOptions): string {
  const server = new URL(options.url)
  const settings: Record<string, string> = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: options.poolMode ?? 'transaction',
    default_pool_size: String(options.poolSize ?? 3),
    max_client_conn: '200',
    ...options.settings,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`)
  const target = `host=${server.hostname} port=${server.port} user=${decodeURIComponent(server.username)}`
  return `[databases]\n* = ${target}\n\n[pgbouncer]\n${lines.join('')}`
}

function serve(port: number, home: string, started: Started, dismiss: () => void): Pgbouncer {
  const remove = async (): Promise<void> => {
    await started.end()
    dismiss()
    await rm(home, { recursive: true, force: true })
  }
  return {
    port,
    pid: started.pid,
    through: (url) => through(url, port),
    log: () => readFile(started.logFile, 'utf8'),
    remove,
    [Symbol.asyncDispose]: remove,
  }
}

function through(url: string, port: number): string {
  const pooled = new URL(url)
  pooled.port = String(port)
  return pooled.href
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}
