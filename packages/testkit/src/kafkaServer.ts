import { type ChildProcess, spawn } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './freePort.js'
import { type JavaToolResult, runJavaTool } from './javaTool.js'
import { type KafkaRuntime, newKafkaId, prepareKafka, propertiesText, soloNode } from './kafkaJars.js'
import { kafkaServes } from './kafkaReadiness.js'
import { type Reaper, startReaper } from './reaper.js'
import { until } from './until.js'

export interface KafkaOptions {
  /** The port clients connect to. Default: a free one. */
  readonly port?: number
  /** Lines of server.properties, over the defaults. */
  readonly settings?: Readonly<Record<string, string>>
  /** Default: at most 512 MB of heap. */
  readonly jvmOptions?: readonly string[]
}

/** A running Apache Kafka, one KRaft node on 127.0.0.1. Ends with this process, however that ends. */
export interface KafkaServer {
  readonly brokers: string[]
  readonly port: number
  readonly dataDirectory: string
  /** Of the JVM; undefined while the server is down. */
  readonly pid: number | undefined
  /** The jars of Kafka and its tools, for `java -cp`. */
  readonly javaClasspath: string
  /** Orderly shutdown; a server that is down is fine. */
  stop(): Promise<void>
  /** SIGKILL, as when the machine loses the process; resolves when it is gone. */
  kill(): Promise<void>
  /** Starts again on the same port and data. A running server is an error. */
  start(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void
  /** SIGCONT. */
  resume(): void
  /** Runs a Java program of Kafka's jars, such as `org.apache.kafka.tools.consumer.ConsoleConsumer`, to its end. */
  runTool(mainClass: string, args: readonly string[], options?: { input?: string }): Promise<JavaToolResult>
  /** The server's log so far: warnings and errors. */
  log(): Promise<string>
  /** Kills the server and removes its data. Not to be started again. */
  remove(): Promise<void>
}

const defaultSettings: Readonly<Record<string, string>> = {
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': '0',
  // Tests with short sessions see a dead consumer's partitions move soon.
  'group.min.session.timeout.ms': '1000',
  // After a kill the controller waits for the old session to expire before it admits the same broker again.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  'offsets.topic.num.partitions': '3',
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.num.partitions': '3',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.num.partitions': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  // The default buffer of 128 MB would be a quarter of the heap.
  'log.cleaner.dedupe.buffer.size': '16000000',
  'num.network.threads': '2',
  'num.io.threads': '4',
}

const smallHeap = ['-Xms128m', '-Xmx512m', '-XX:+UseSerialGC']
const startDeadlineMs = 90_000
const stopDeadlineMs = 60_000

/** Starts a broker on an empty data directory; resolves when it serves. The first call ever downloads the jars. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  const runtime = await prepareKafka()
  const home = await mkdtemp(join(tmpdir(), 'oncebox-kafka-'))
  const reaper = startReaper('KILL', home)
  try {
    for (let attempt = 1; ; attempt++) {
      const port = options.port ?? (await freePort())
      const kafka = await layOut(runtime, home, port, options)
      try {
        const first = await begin(kafka, reaper)
        return serve(kafka, first, reaper)
      } catch (error) {
        // Another process may have taken the port between our look and our start.
        if (options.port !== undefined || attempt === 3) throw error
      }
    }
  } catch (error) {
    reaper.dismiss()
    await rm(home, { recursive: true, force: true })
    throw error
  }
}

interface Kafka {
  readonly runtime: KafkaRuntime
  readonly home: string
  readonly dataDirectory: string
  readonly port: number
  readonly command: readonly string[]
  readonly logFile: string
}

async function layOut(runtime: KafkaRuntime, home: string, port: number, options: KafkaOptions): Promise<Kafka> {
  const dataDirectory = join(home, 'data')
  await rm(dataDirectory, { recursive: true, force: true })
  await mkdir(dataDirectory)
  const identity = { version: '1', 'cluster.id': newKafkaId(), 'node.id': '1', 'directory.id': newKafkaId() }
  await writeFile(join(dataDirectory, 'meta.properties'), propertiesText(identity))
  await copyFile(runtime.bootstrapCheckpoint, join(dataDirectory, 'bootstrap.checkpoint'))
  const properties = join(home, 'server.properties')
  const node = soloNode({ port, controllerPort: await freePort() })
  await writeFile(
    properties,
    propertiesText({ ...node, 'log.dirs': dataDirectory, ...defaultSettings, ...options.settings }),
  )
  const jvm = [...runtime.jvmOptions, ...(options.jvmOptions ?? smallHeap)]
  const command = [...jvm, '-cp', runtime.classpath, 'kafka.Kafka', properties]
  return { runtime, home, dataDirectory, port, command, logFile: join(home, 'kafka.log') }
}

async function begin(kafka: Kafka, reaper: Reaper): Promise<ChildProcess> {
  const log = await open(kafka.logFile, 'a')
  // Its own session, so that a Ctrl-C at the terminal reaches the program under test and not its broker.
  const child = spawn(kafka.runtime.java, kafka.command, { stdio: ['ignore', log.fd, log.fd], detached: true })
  child.on('error', () => undefined)
  child.unref()
  reaper.watch(child.pid)
  await log.close()
  try {
    await until(async () => child.pid === undefined || hasEnded(child) || (await kafkaServes(kafka.port)), {
      deadlineMs: startDeadlineMs,
      what: `Kafka on port ${kafka.port} to serve`,
    })
    if (child.pid === undefined || hasEnded(child)) throw new Error('Kafka ended while it started')
  } catch (error) {
    child.kill('SIGKILL')
    const tail = (await readFile(kafka.logFile, 'utf8')).slice(-3_000)
    throw new Error(`${(error as Error).message}; the end of its log:\n${tail}`, { cause: error })
  }
  return child
}

function serve(kafka: Kafka, first: ChildProcess, reaper: Reaper): KafkaServer {
  let child = first
  const running = (): boolean => !hasEnded(child)

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (running()) child.kill(signal)
    // One that is paused would not see the SIGTERM.
    if (running()) child.kill('SIGCONT')
    await until(() => !running(), { deadlineMs: stopDeadlineMs, what: `Kafka (pid ${child.pid}) to end` })
    reaper.watch(undefined)
  }

  return {
    brokers: [`127.0.0.1:${kafka.port}`],
    port: kafka.port,
    dataDirectory: kafka.dataDirectory,
    javaClasspath: kafka.runtime.classpath,
    get pid() {
      return running() ? child.pid : undefined
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async start() {
      if (running()) throw new Error(`Kafka on port ${kafka.port} is already running`)
      child = await begin(kafka, reaper)
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    runTool: (mainClass, args, toolOptions) => runJavaTool(kafka.runtime, mainClass, args, toolOptions),
    log: () => readFile(kafka.logFile, 'utf8'),
    async remove() {
      await end('SIGKILL')
      reaper.dismiss()
      await rm(kafka.home, { recursive: true, force: true })
    },
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
