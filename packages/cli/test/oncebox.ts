import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { defaultRoles, type RoleKind } from '@oncebox/schema'
import { until } from '@oncebox/testkit'
import { urlAs } from '@oncebox/testkit/harness'
import { onTestFinished } from 'vitest'

const bin = fileURLToPath(new URL('../dist/bin.js', import.meta.url))
/** Who is to run a verb; the others (`migrate`, `lanes`, `prune`, …) are the owner's. */
const roleFor: Readonly<Record<string, RoleKind>> = {
  relay: 'relay',
  status: 'viewer',
  show: 'viewer',
  lag: 'viewer',
  tail: 'operator',
  dead: 'operator',
  replay: 'operator',
  topics: 'operator',
  verify: 'operator',
  doctor: 'operator',
}
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
    env: { ...Object.fromEntries(inherited), ...withRole(args[0] ?? '', options.environment ?? {}) },
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

/** With `ONCEBOX_TEST_ROLES=1`, the same database for somebody who has the verb's role and no other right. */
function withRole(verb: string, environment: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { ONCEBOX_TEST_ROLES: asked, ...rest } = environment
  const kind = roleFor[verb]
  if (asked !== '1' || rest.DATABASE_URL === undefined || kind === undefined) return rest
  return { ...rest, DATABASE_URL: urlAs(rest.DATABASE_URL, defaultRoles()[kind]) }
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
