import { execFile } from 'node:child_process'
import { cp, mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify, stripVTControlCharacters } from 'node:util'
import { Unavailable } from '../interleave.js'

const run = promisify(execFile)
const sources = fileURLToPath(new URL('../../peers/', import.meta.url))
const cache = fileURLToPath(new URL('../../../../.cache/bench/', import.meta.url))
const dependencyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'

/** A file of `peers/`, where the benchmark keeps what it needs to run other relays. */
export function peerFile(...path: string[]): string {
  return join(sources, ...path)
}

/** The class path of Kafka Connect with Debezium. @throws Unavailable without Java, Maven, or a way to its repository. */
export async function installConnect(): Promise<string> {
  await requireProgram('java', ['-version'])
  await requireProgram('mvn', ['--version'])
  const libs = await once('connect', async (partial) => {
    const goal = [`${dependencyPlugin}:copy-dependencies`, `-DoutputDirectory=${partial}`, '-DincludeScope=runtime']
    await run('mvn', ['--batch-mode', '--quiet', '-f', peerFile('connect', 'pom.xml'), ...goal])
  })
  return join(libs, '*')
}

/** The program of Watermill's forwarder. @throws Unavailable without Go, or a way to its proxy. */
export async function installWatermill(): Promise<string> {
  await requireProgram('go', ['version'])
  const built = await once('watermill', async (partial) => {
    const env = { ...process.env, GOFLAGS: '-mod=readonly' }
    await run('go', ['build', '-o', join(partial, 'forwarder'), '.'], { cwd: peerFile('watermill'), env })
  })
  return join(built, 'forwarder')
}

/** The script that runs pg-transactional-outbox, with its packages beside it. @throws Unavailable when npm cannot install. */
export async function installPgTransactionalOutbox(): Promise<string> {
  const directory = await once('pg-transactional-outbox', async (partial) => {
    await cp(peerFile('pg-transactional-outbox'), partial, { recursive: true })
    await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: partial })
  })
  // The newest script, whenever the packages were installed.
  await cp(peerFile('pg-transactional-outbox', 'relay.mjs'), join(directory, 'relay.mjs'))
  return join(directory, 'relay.mjs')
}

/** A directory that `make` fills once; complete or not there, should it be interrupted. */
async function once(name: string, make: (partial: string) => Promise<void>): Promise<string> {
  const directory = join(cache, name)
  const isThere = await stat(directory).then(
    () => true,
    () => false,
  )
  if (isThere) return directory
  const partial = `${directory}.${process.pid}`
  await mkdir(partial, { recursive: true })
  try {
    await make(partial)
    await rename(partial, directory)
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    throw new Unavailable(`it could not be installed: ${causeOf(error)}`)
  }
  return directory
}

async function requireProgram(program: string, args: readonly string[]): Promise<void> {
  await run(program, [...args]).catch(() => {
    throw new Unavailable(`${program} is not installed`)
  })
}

/** What the program said, shortened: Maven says it on standard output, npm and Go on standard error. */
function causeOf(error: unknown): string {
  const { stdout = '', stderr = '', message = '' } = error as { stdout?: string; stderr?: string; message?: string }
  return stripVTControlCharacters(`${stderr}${stdout}`.trim() || message)
    .split('\n')
    .slice(0, 3)
    .join(' ')
    .slice(0, 300)
}
