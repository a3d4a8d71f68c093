import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { until } from '@oncebox/testkit'
import { onTestFinished } from 'vitest'

const bin = fileURLToPath(new URL('../dist/bin.js', import.meta.url))
const settings = /^(DATABASE_URL|KAFKA_.*|ONCEBOX_.*|PG.*)$/

export interface Ended {
  /** null after a signal. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A running `oncebox`; killed when the test ends, however it ends. */
export interface Running {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
  /** What came so far. */
  stdout(): string
  stderr(): string
  /** The lines of stdout as JSON. */
  events(): Record<string, unknown>[]
  /** Resolves with the first line of stdout for which `matches`. */
  event(matches: (event: Record<string, unknown>) => boolean, deadlineMs?: number): Promise<Record<string, unknown>>
}

export interface SpawnOptions {
  readonly environment?: Readonly<Record<string, string>>
}

/** Starts the built bin with no setting of this machine's environment. */
export function startOncebox(args: readonly string[], options: SpawnOptions = {}): Running {
  const inherited = Object.entries(process.env).filter(([name]) => !settings.test(name))
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...Object.fromEntries(inherited), ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const events = () => jsonLines(stdout.slice(0, stdout.lastIndexOf('\n') + 1))
  return {
    process: child,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    events,
    event: (matches, deadlineMs = 20_000) =>
      until(() => events().find(matches), { what: `an event of oncebox ${args[0]}`, deadlineMs }),
  }
}

/** Runs the built bin to its end. */
export function oncebox(args: readonly string[], options: SpawnOptions = {}): Promise<Ended> {
  return startOncebox(args, options).ended
}

/** Every line of a text as JSON; throws when one is anything else. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
