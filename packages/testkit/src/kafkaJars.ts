import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cacheDirectory } from './cacheDirectory.js'
import { withFileLock } from './fileLock.js'

const run = promisify(execFile)
const pom = fileURLToPath(new URL('../kafka/pom.xml', import.meta.url))
const log4j = fileURLToPath(new URL('../kafka/log4j2.properties', import.meta.url))
const dependencyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'
const oldestJava = 17

/** Whether `startKafka` can work here, and if not, what is missing. */
export type KafkaAvailability = { readonly available: true } | { readonly available: false; readonly reason: string }

/** The runtime that `startKafka` needs, ready on this machine. */
export interface KafkaRuntime {
  readonly java: string
  /** JVM options that every program of it gets. */
  readonly jvmOptions: readonly string[]
  readonly classpath: string
  /** Which features a new cluster has, as Kafka's own `format` writes them. */
  readonly bootstrapCheckpoint: string
}

/** Looks for Java 17 or newer, and for Maven or the jars of an earlier run. Downloads nothing. */
export async function kafkaAvailability(): Promise<KafkaAvailability> {
  const version = await javaVersion()
  if (version === undefined)
    return { available: false, reason: `Java is not installed (${oldestJava} or newer is needed)` }
  if (version < oldestJava)
    return { available: false, reason: `Java ${version} is too old (${oldestJava} or newer is needed)` }
  if (existsSync(join(await runtimeDirectory(), 'complete'))) return { available: true }
  const maven = await run('mvn', ['--version']).then(
    () => true,
    () => false,
  )
  return maven
    ? { available: true }
    : { available: false, reason: "Maven is not installed (it downloads Kafka's jars once)" }
}

/** Downloads Kafka's jars with Maven into this user's cache, once for all processes; later calls find them there. */
export async function prepareKafka(): Promise<KafkaRuntime> {
  const availability = await kafkaAvailability()
  if (!availability.available) throw new Error(`Kafka cannot be started: ${availability.reason}`)
  const directory = await runtimeDirectory()
  if (!existsSync(join(directory, 'complete'))) {
    await withFileLock(`${directory}.lock`, async () => {
      if (!existsSync(join(directory, 'complete'))) await fill(directory)
    })
  }
  return runtimeIn(directory)
}

function runtimeIn(directory: string): KafkaRuntime {
  return {
    java: javaProgram(),
    jvmOptions: [`-Dlog4j2.configurationFile=${log4j}`],
    classpath: join(directory, 'libs', '*'),
    bootstrapCheckpoint: join(directory, 'bootstrap.checkpoint'),
  }
}

async function runtimeDirectory(): Promise<string> {
  const hash = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
    .slice(0, 12)
  return join(await cacheDirectory(), `kafka-${hash}`)
}

async function fill(directory: string): Promise<void> {
  const building = `${directory}.${randomBytes(6).toString('hex')}`
  const libs = join(building, 'libs')
  await mkdir(libs, { recursive: true })
  try {
    await run('mvn', [
      ...['--batch-mode', '--quiet', '-f', pom, `${dependencyPlugin}:copy-dependencies`],
      ...[`-DoutputDirectory=${libs}`, '-DincludeScope=runtime'],
    ]).catch((error: Error & { stdout?: string }) => {
      throw new Error(`Maven could not download Kafka's jars:\n${(error.stdout ?? '').slice(-2_000)}`, { cause: error })
    })
    await formatOnce(building)
    await writeFile(join(building, 'complete'), `${(await readdir(libs)).length} jars\n`)
    await rm(directory, { recursive: true, force: true })
    await rename(building, directory)
  } catch (error) {
    await rm(building, { recursive: true, force: true })
    throw error
  }
}

/**
 * Kafka's `format` takes a JVM start of its own, so it runs once: what it writes besides the cluster's id is the same
 * for every new cluster.
 */
async function formatOnce(building: string): Promise<void> {
  const { java, jvmOptions, classpath } = runtimeIn(building)
  const data = join(building, 'format')
  const properties = join(building, 'format.properties')
  await writeFile(properties, propertiesText({ ...soloNode({ port: 1, controllerPort: 2 }), 'log.dirs': data }))
  const format = ['kafka.tools.StorageTool', 'format', '-t', newKafkaId(), '-c', properties]
  await run(java, [...jvmOptions, '-cp', classpath, ...format])
  await rename(join(data, 'bootstrap.checkpoint'), join(building, 'bootstrap.checkpoint'))
  await rm(data, { recursive: true })
}

/** The settings that make one process broker and controller of a cluster of its own. */
export function soloNode(ports: { port: number; controllerPort: number }): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    listeners: `PLAINTEXT://127.0.0.1:${ports.port},CONTROLLER://127.0.0.1:${ports.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${ports.port}`,
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': `1@127.0.0.1:${ports.controllerPort}`,
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
  }
}

/** A random id as Kafka writes it: 16 bytes in URL-safe base64, not beginning with a dash. */
export function newKafkaId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url')
    if (!id.startsWith('-')) return id
  }
}

/** A Java properties file. Backslashes are the only thing in our values that the format would take otherwise. */
export function propertiesText(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('')
}

function javaProgram(): string {
  return process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java'
}

/** The major version, or undefined where there is no Java. */
async function javaVersion(): Promise<number | undefined> {
  try {
    const { stderr } = await run(javaProgram(), ['-version'])
    const found = /version "(?:1\.)?(\d+)/.exec(stderr)
    return found === null ? undefined : Number(found[1])
  } catch {
    // No such program, or one that does not run: both mean that there is no Java here.
    return undefined
  }
}
