import childProcess from 'node:child_process'
import fs from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { repository } from '../../mutants/workspaceCopy.js'

// Runs command lines for its parent, one after the other, in a process that can connect to nobody and start nothing.

export interface CommandLine {
  readonly argv: readonly string[]
  /** All settings that there are. */
  readonly environment: Readonly<Record<string, string>>
}

/** How a command line ended. */
export interface Ending {
  readonly code: number
  /** What was thrown instead, or by nobody's promise meanwhile. */
  readonly thrown: string | null
  readonly output: string
  readonly errors: string
  /** How often it tried to connect, or to start a process. */
  readonly connections: number
}

/** The verbs, and the flags of each. */
export interface Vocabulary {
  readonly verbs: readonly string[]
  readonly flags: Readonly<Record<string, readonly string[]>>
}

const settings = /^(DATABASE_URL|KAFKA_.*|ONCEBOX_.*|PG.*)$/
const directory = await mkdtemp(join(tmpdir(), 'oncebox-fuzz-'))
process.chdir(directory)
process.once('disconnect', () => void rm(directory, { recursive: true, force: true }).then(() => exit(0)))

let output = ''
let errors = ''
let thrown: string | null = null
let connections = 0
const exit = process.exit.bind(process)

const refused = (): Error => {
  connections++
  return Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' })
}
net.Socket.prototype.connect = function connect(this: net.Socket) {
  const error = refused()
  process.nextTick(() => this.destroy(error))
  return this
}
for (const name of ['spawn', 'fork', 'execFile', 'exec'] as const) {
  Object.assign(childProcess, {
    [name]: () => {
      throw refused()
    },
  })
}
const capture = (keep: (text: string) => void) =>
  ((chunk: string | Uint8Array, ...rest: unknown[]) => {
    keep(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())
    const done = rest.find((one) => typeof one === 'function') as (() => void) | undefined
    if (done !== undefined) process.nextTick(done)
    return true
  }) as typeof process.stdout.write
process.stdout.write = capture((text) => {
  output += text
})
process.stderr.write = capture((text) => {
  errors += text
})
// The logger writes to standard error past the stream.
const { writeSync } = fs
fs.writeSync = ((fd: number, data: string | Uint8Array, ...rest: never[]) => {
  if (fd !== 2) return writeSync(fd, data as string, ...rest)
  errors += data.toString()
  return Buffer.byteLength(data)
}) as typeof fs.writeSync
process.exit = ((code: number) => {
  thrown ??= `process.exit(${code}) in the middle`
}) as typeof process.exit
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error) => {
    thrown ??= error instanceof Error ? String(error.stack) : String(error)
  })
}
syncBuiltinESMExports()

const built = (file: string): Promise<unknown> =>
  import(pathToFileURL(join(repository, 'packages/cli/dist', file)).href)
const { runProgram } = (await built('command/program.js')) as { runProgram(argv: readonly string[]): Promise<number> }
const { forgetEmptySettings } = (await built('flags/environment.js')) as {
  forgetEmptySettings(environment: NodeJS.ProcessEnv): void
}

async function run({ argv, environment }: CommandLine): Promise<Ending> {
  output = ''
  errors = ''
  thrown = null
  connections = 0
  for (const name of Object.keys(process.env)) if (settings.test(name)) delete process.env[name]
  Object.assign(process.env, environment)
  forgetEmptySettings(process.env)
  const code = await runProgram(['node', 'oncebox', ...argv]).catch((error: unknown) => {
    thrown ??= error instanceof Error ? String(error.stack) : String(error)
    return -1
  })
  // What a process that goes on would gather.
  for (const signal of ['SIGTERM', 'SIGINT']) process.removeAllListeners(signal)
  process.stdout.removeAllListeners('error')
  return { code, thrown, output, errors, connections }
}

/** As the script for shells has them. */
function vocabularyOf(script: string): Vocabulary {
  const verbs = /local words="([^"]*)"/.exec(script)?.[1]?.split(' ') ?? []
  const cases = [...script.matchAll(/^ {4}([a-z]+)\) words="([^"]*)"/gm)]
  return { verbs, flags: Object.fromEntries(cases.map(([, verb, words = '']) => [verb, words.split(' ')])) }
}

process.on('message', async (cases: readonly CommandLine[]) => {
  const endings: Ending[] = []
  for (const one of cases) endings.push(await run(one))
  process.send?.(endings)
})
process.send?.(vocabularyOf((await run({ argv: ['completion'], environment: {} })).output))
