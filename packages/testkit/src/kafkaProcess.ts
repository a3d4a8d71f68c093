import { type ChildProcess, spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import type { KafkaLayout } from './kafkaConfiguration.js'
import { kafkaServes } from './kafkaReadiness.js'
import type { KafkaRuntime } from './kafkaRuntime.js'
import type { Reaper } from './reaper.js'
import { until } from './until.js'

const startDeadlineMs = 120_000
const endDeadlineMs = 60_000

/** One JVM, from its start to its end. */
export interface KafkaProcess {
  readonly pid: number
  readonly ended: boolean
  /** SIGSTOP. Resolves when it has stopped: on a busy machine it answers requests for a while after the signal. */
  pause(): Promise<void>
  resume(): void
  /** Sends the signal and waits for the end; one that has ended is fine. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** Starts a broker and resolves when it serves; rejects with the end of its log when it ends before. `enter` comes before its command line. */
export async function startKafkaProcess(
  runtime: KafkaRuntime,
  layout: KafkaLayout,
  jvmOptions: readonly string[],
  reaper: Reaper,
  enter: readonly string[] = [],
): Promise<KafkaProcess> {
  const log = await open(layout.logFile, 'a')
  const [program = '', ...command] = [
    ...enter,
    runtime.java,
    ...runtime.jvmOptions,
    ...jvmOptions,
    '-cp',
    runtime.classpath,
    'kafka.Kafka',
    layout.properties,
  ]
  // Its own session, so that a Ctrl-C at the terminal reaches the program under test and not its broker.
  const child = spawn(program, command, { stdio: ['ignore', log.fd, log.fd], detached: true })
  // A program that cannot be started has no pid, which is looked at below.
  child.on('error', () => undefined)
  child.unref()
  await log.close()
  const { pid } = child
  if (pid === undefined) throw new Error(`Kafka could not be started: ${program} does not run`)
  reaper.watch(pid)
  try {
    await until(async () => hasEnded(child) || (await kafkaServes(layout.port)), {
      deadlineMs: startDeadlineMs,
      what: `Kafka on port ${layout.port} to serve`,
    })
    if (hasEnded(child)) throw new Error('Kafka ended while it started')
  } catch (error) {
    child.kill('SIGKILL')
    const tail = (await readFile(layout.logFile, 'utf8')).slice(-3_000)
    throw new Error(`${(error as Error).message}; the end of its log:\n${tail}`, { cause: error })
  }
  return {
    pid,
    get ended() {
      return hasEnded(child)
    },
    async pause() {
      child.kill('SIGSTOP')
      await until(() => hasEnded(child) || hasStopped(pid), { what: `Kafka (pid ${pid}) to stop` })
    },
    resume: () => void child.kill('SIGCONT'),
    async end(signal) {
      if (!hasEnded(child)) child.kill(signal)
      // One that is paused would not see the SIGTERM.
      if (!hasEnded(child)) child.kill('SIGCONT')
      await until(() => hasEnded(child), { deadlineMs: endDeadlineMs, what: `Kafka (pid ${pid}) to end` })
      reaper.watch(undefined)
    },
  }
}

/** Where the system tells no states of processes (it does on Linux), it is taken for stopped. */
async function hasStopped(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State:\tT')
  return /^State:\tT/m.test(status)
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
