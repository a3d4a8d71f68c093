import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from './freePort.js'
import type { SmallDisk } from './smallDisk.js'

/** Settings of every broker we start, under those the caller gives. */
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

export interface KafkaLayout {
  readonly port: number
  readonly dataDirectory: string
  /** The server.properties. */
  readonly properties: string
  readonly logFile: string
}

/** Writes a new cluster of one node into `home`, or onto `disk`, as Kafka's `format` would, and its configuration into `home`. */
export async function layOutKafka(
  home: string,
  bootstrapCheckpoint: string,
  port: number,
  settings: Readonly<Record<string, string>>,
  disk: Pick<SmallDisk, 'directory' | 'outside'> = { directory: home, outside: home },
): Promise<KafkaLayout> {
  const written = join(disk.outside, 'data')
  await rm(written, { recursive: true, force: true })
  await mkdir(written)
  const dataDirectory = join(disk.directory, 'data')
  const identity = { version: '1', 'cluster.id': newKafkaId(), 'node.id': '1', 'directory.id': newKafkaId() }
  await writeFile(join(written, 'meta.properties'), propertiesText(identity))
  await copyFile(bootstrapCheckpoint, join(written, 'bootstrap.checkpoint'))
  const node = soloNode({ port, controllerPort: await freePort() })
  const properties = join(home, 'server.properties')
  await writeFile(properties, propertiesText({ ...node, 'log.dirs': dataDirectory, ...defaultSettings, ...settings }))
  return { port, dataDirectory, properties, logFile: join(home, 'kafka.log') }
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
