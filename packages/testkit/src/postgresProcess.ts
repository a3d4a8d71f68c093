import { type ChildProcess, spawn } from 'node:child_process'
import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type ServerPlace, serverCommand } from './postgresCluster.js'
import { until } from './until.js'

export interface PostgresProcessOptions {
  /** The directory of `postgres`. */
  readonly binaries: string
  readonly place: ServerPlace
  readonly port: number
  readonly logFile: string
}

/** One postmaster, from its start to its end. */
export interface PostgresProcess {
  readonly pid: number
  /** Sends a signal and waits for the end. SIGINT is the fast shutdown, SIGQUIT the immediate one. */
  end(signal: 'SIGINT' | 'SIGQUIT'): Promise<void>
  readonly ended: boolean
}

const startDeadlineMs = 60_000
const endDeadlineMs = 60_000

/** Starts a postmaster and resolves when it accepts connections; rejects with the end of its log when it ends before. */
export async function startPostgresProcess(options: PostgresProcessOptions): Promise<PostgresProcess> {
  // One left by a crash carries another pid, or, in a container, our own.
  const { place } = options
  await rm(join(place.outside, 'postmaster.pid'), { force: true })
  const log = await open(options.logFile, 'a')
  const command = serverCommand(place, join(options.binaries, 'postgres'), [
    ...['-D', place.inside, '-p', String(options.port)],
    ...['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
  ])
  // Its own session: a Ctrl-C at the terminal is for the program under test, which may still need its database.
  const stdio = ['ignore', log.fd, log.fd] as const
  const child = spawn(command.program, command.args, { ...command.options, stdio: [...stdio], detached: true })
  const spawnError = await new Promise<Error | undefined>((resolve) => {
    child.once('spawn', () => resolve(undefined))
    child.once('error', resolve)
  })
  await log.close()
  if (spawnError !== undefined)
    throw new Error(`Postgres could not be started: ${spawnError.message}`, { cause: spawnError })
  child.unref()
  const pid = child.pid as number

  try {
    await until(async () => hasEnded(child) || (await statusOf(place.outside, pid)) === 'ready', {
      deadlineMs: startDeadlineMs,
      what: `Postgres on port ${options.port} to accept connections`,
    })
    if (hasEnded(child)) throw new Error(`Postgres ended while it started (exit code ${child.exitCode})`)
  } catch (error) {
    child.kill('SIGQUIT')
    const tail = (await readFile(options.logFile, 'utf8')).split('\n').slice(-20).join('\n')
    throw new Error(`${(error as Error).message}; the end of its log:\n${tail}`, { cause: error })
  }

  return {
    pid,
    get ended() {
      return hasEnded(child)
    },
    async end(signal) {
      if (!hasEnded(child)) child.kill(signal)
      await until(() => hasEnded(child), { deadlineMs: endDeadlineMs, what: `Postgres (pid ${pid}) to end` })
    },
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** What pg_ctl reads too: the last line of postmaster.pid says how far the server is. */
async function statusOf(dataDirectory: string, pid: number): Promise<string | undefined> {
  const lines = (await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8')).split('\n')
  return lines[0] === String(pid) ? lines[7]?.trim() : undefined
}
