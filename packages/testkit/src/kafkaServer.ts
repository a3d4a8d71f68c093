import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './freePort.js'
import { type JavaToolResult, runJavaTool } from './javaTool.js'
import { type KafkaLayout, layOutKafka } from './kafkaConfiguration.js'
import { type KafkaProcess, startKafkaProcess } from './kafkaProcess.js'
import { type KafkaRuntime, prepareKafka, startOptions } from './kafkaRuntime.js'
import { type Reaper, startReaper } from './reaper.js'
import type { SmallDisk } from './smallDisk.js'

export interface KafkaOptions {
  /** The port clients connect to. Default: a free one. */
  readonly port?: number
  /** Lines of server.properties, over the defaults. Default: none. */
  readonly settings?: Readonly<Record<string, string>>
  /**
   * Default: a heap of at most 512 MB, the serial collector and the quick compiler only, which start cheaply.
   * For measurements give the JVM its usual compilers: `['-Xms512m', '-Xmx512m']`.
   */
  readonly jvmOptions?: readonly string[]
  /** Where its data is, and where it runs. The caller removes it. Default: a temporary directory. */
  readonly disk?: SmallDisk
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
  /** SIGSTOP: connections stay open, and from when it resolves on nothing answers. */
  pause(): Promise<void>
  /** SIGCONT. */
  resume(): void
  /**
   * Runs a Java program of Kafka's jars, such as `org.apache.kafka.tools.consumer.ConsoleConsumer`, to its end, which
   * comes after two minutes at the latest. `input` is its standard input.
   */
  runTool(mainClass: string, args: readonly string[], options?: { input?: string }): Promise<JavaToolResult>
  /** The server's log so far: warnings and errors, and what became of consumer groups. */
  log(): Promise<string>
  /** Kills the server and removes its data. Not to be started again. */
  remove(): Promise<void>
}

/** Starts a broker on an empty data directory; resolves when it serves. The first call ever downloads the jars. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  const runtime = await prepareKafka()
  const home = await mkdtemp(join(tmpdir(), 'oncebox-kafka-'))
  const reaper = startReaper('KILL', home)
  try {
    const begin = (layout: KafkaLayout): Promise<KafkaProcess> =>
      startKafkaProcess(runtime, layout, options.jvmOptions ?? startOptions, reaper, options.disk?.enter())
    for (let attempt = 1; ; attempt++) {
      const port = options.port ?? (await freePort())
      const layout = await layOutKafka(home, runtime.bootstrapCheckpoint, port, options.settings ?? {}, options.disk)
      try {
        return serve({ runtime, layout, home, reaper, begin, first: await begin(layout) })
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

interface Parts {
  readonly runtime: KafkaRuntime
  readonly layout: KafkaLayout
  readonly home: string
  readonly reaper: Reaper
  readonly begin: (layout: KafkaLayout) => Promise<KafkaProcess>
  readonly first: KafkaProcess
}

function serve({ runtime, layout, home, reaper, begin, first }: Parts): KafkaServer {
  let running = first
  return {
    brokers: [`127.0.0.1:${layout.port}`],
    port: layout.port,
    dataDirectory: layout.dataDirectory,
    javaClasspath: runtime.classpath,
    get pid() {
      return running.ended ? undefined : running.pid
    },
    stop: () => running.end('SIGTERM'),
    kill: () => running.end('SIGKILL'),
    async start() {
      if (!running.ended) throw new Error(`Kafka on port ${layout.port} is already running`)
      running = await begin(layout)
    },
    pause: () => running.pause(),
    resume: () => running.resume(),
    runTool: (mainClass, args, toolOptions) => runJavaTool(runtime, mainClass, args, toolOptions),
    log: () => readFile(layout.logFile, 'utf8'),
    async remove() {
      await running.end('SIGKILL')
      reaper.dismiss()
      await rm(home, { recursive: true, force: true })
    },
  }
}
