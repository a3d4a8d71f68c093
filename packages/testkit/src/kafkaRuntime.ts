import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cacheDirectory } from './cacheDirectory.js'
import { withFileLock } from './fileLock.js'
import { freePort } from './freePort.js'
import { findJava, type Java } from './java.js'
import { layOutKafka, newKafkaId, propertiesText, soloNode } from './kafkaConfiguration.js'
import { startKafkaProcess } from './kafkaProcess.js'
import { copyJars, mavenIsInstalled } from './mavenJars.js'
import { startReaper } from './reaper.js'

const run = promisify(execFile)
const pom = fileURLToPath(new URL('../kafka/pom.xml', import.meta.url))
const log4j = fileURLToPath(new URL('../kafka/log4j2.properties', import.meta.url))
const oldestJava = 17

/** Whether `startKafka` can work here, and if not, what is missing. */
export type KafkaAvailability = { readonly available: true } | { readonly available: false; readonly reason: string }

/** What `startKafka` needs, ready on this machine. */
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
  const missing = await whatIsMissing(await findJava())
  return missing === undefined ? { available: true } : { available: false, reason: missing }
}

async function whatIsMissing(java: Java | undefined): Promise<string | undefined> {
  if (java === undefined) return `Java is not installed (${oldestJava} or newer is needed)`
  if (java.major < oldestJava) return `Java ${java.major} is too old (${oldestJava} or newer is needed)`
  if (existsSync(join(await runtimeDirectory(), 'complete')) || (await mavenIsInstalled())) return undefined
  return "Maven is not installed (it downloads Kafka's jars once)"
}

/** Whether the next start has nothing left to download. */
export async function kafkaIsPrepared(): Promise<boolean> {
  const java = await findJava()
  return java !== undefined && existsSync(archiveOf(await runtimeDirectory(), java))
}

/** Downloads Kafka's jars with Maven into this user's cache, once for all processes; later calls find them there. */
export async function prepareKafka(): Promise<KafkaRuntime> {
  const java = await findJava()
  const missing = await whatIsMissing(java)
  if (java === undefined || missing !== undefined) throw new Error(`Kafka cannot be started: ${missing}`)
  const directory = await runtimeDirectory()
  const archive = archiveOf(directory, java)
  if (!existsSync(archive)) {
    await withFileLock(`${directory}.lock`, async () => {
      if (!existsSync(join(directory, 'complete'))) await fill(directory, java)
      if (!existsSync(archive)) await archiveClasses(runtimeIn(directory, java), archive)
    })
  }
  const { size } = await stat(archive)
  return runtimeIn(directory, java, size > 0 ? [`-XX:SharedArchiveFile=${archive}`] : [])
}

function runtimeIn(directory: string, java: Java, archive: readonly string[] = []): KafkaRuntime {
  return {
    java: java.program,
    // The JVM's own remarks, as on an archive it cannot use, would come on standard output, among what a tool prints.
    jvmOptions: ['-Xlog:disable', `-Dlog4j2.configurationFile=${log4j}`, ...archive],
    classpath: join(directory, 'libs', '*'),
    bootstrapCheckpoint: join(directory, 'bootstrap.checkpoint'),
  }
}

async function runtimeDirectory(): Promise<string> {
  const content = await readFile(pom)
  return join(await cacheDirectory(), `kafka-${createHash('sha256').update(content).digest('hex').slice(0, 12)}`)
}

/** A build of Java reads only what it wrote itself. It is made last, so where it is, everything is. */
function archiveOf(directory: string, java: Java): string {
  return join(directory, `classes-${createHash('sha256').update(java.description).digest('hex').slice(0, 12)}.jsa`)
}

async function fill(directory: string, java: Java): Promise<void> {
  const building = `${directory}.${randomBytes(6).toString('hex')}`
  const libs = join(building, 'libs')
  await mkdir(libs, { recursive: true })
  try {
    await copyJars(pom, libs)
    await formatOnce(building, java)
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
async function formatOnce(building: string, java: Java): Promise<void> {
  const runtime = runtimeIn(building, java)
  const data = join(building, 'format')
  const properties = join(building, 'format.properties')
  await writeFile(properties, propertiesText({ ...soloNode({ port: 1, controllerPort: 2 }), 'log.dirs': data }))
  const format = ['kafka.tools.StorageTool', 'format', '-t', newKafkaId(), '-c', properties]
  await run(runtime.java, [...runtime.jvmOptions, '-cp', runtime.classpath, ...format])
  await rename(join(data, 'bootstrap.checkpoint'), runtime.bootstrapCheckpoint)
  await rm(data, { recursive: true })
}

/**
 * Runs a broker once to keep its loaded classes (a dynamic class data sharing archive): a later start then costs 2.3 s
 * of CPU in place of 4.1. A JVM that writes none leaves an empty file, which says not to try again.
 */
async function archiveClasses(runtime: KafkaRuntime, archive: string): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'oncebox-kafka-'))
  const reaper = startReaper('KILL', home)
  try {
    const layout = await layOutKafka(home, runtime.bootstrapCheckpoint, await freePort(), {})
    const partial = join(home, 'classes.jsa')
    const options = [...startOptions, `-XX:ArchiveClassesAtExit=${partial}`]
    await (await startKafkaProcess(runtime, layout, options, reaper)).end('SIGTERM')
    const content = await readFile(partial).catch(() => Buffer.alloc(0))
    await writeFile(`${archive}.partial`, content)
    await rename(`${archive}.partial`, archive)
  } finally {
    reaper.dismiss()
    await rm(home, { recursive: true, force: true })
  }
}

/** A small heap and the quick compiler only: cheap to start, which is what most tests need. */
export const startOptions: readonly string[] = ['-Xms128m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
