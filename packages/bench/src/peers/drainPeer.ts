import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { treeCpuUs } from '../processCpu.js'
import type { Sample } from '../results.js'
import { type BenchServers, createTopics, recordsIn } from '../servers.js'
import { partitions } from '../workload.js'
import type { Peer, RelayCommand } from './peer.js'

const lookEveryMs = 25
const firstRecordMs = 90_000
const stalledMs = 30_000
const stopMs = 12_000

/** Where a drain stood at a moment. */
interface Moment {
  readonly atMs: number
  readonly records: number
  readonly relayUs: number
  readonly postgresUs: number
  readonly kafkaUs: number
}

/** Fills, starts and watches a relay until its backlog is drained or its time is over, and stops it. */
export async function drainPeer(
  peer: Peer,
  servers: BenchServers,
  run: { readonly name: string; readonly messages: number; readonly directory: string },
): Promise<Sample> {
  const { pool, admin, postgres, kafka } = servers
  const messages = Math.min(run.messages, peer.limits?.messages ?? run.messages)
  const fresh = `bench-${run.name}-${randomBytes(4).toString('hex')}`
  const topic = peer.topicOf(fresh)
  if (topic === fresh) await createTopics(admin, [fresh], partitions)
  try {
    await peer.prepare(pool, messages, topic)
    const before = await recordsIn(admin, topic)
    const child = start(await peer.command(servers, topic, run.directory), run.directory)
    const look = async (): Promise<Moment> => ({
      records: (await recordsIn(admin, topic)) - before,
      atMs: performance.now(),
      relayUs: treeCpuUs(child.pid),
      postgresUs: treeCpuUs(postgres.pid),
      kafkaUs: treeCpuUs(kafka.pid),
    })
    try {
      return await watch(look, child, messages, peer.limits?.seconds ?? Number.POSITIVE_INFINITY, run.directory)
    } finally {
      await stop(child)
    }
  } finally {
    await peer.cleanUp?.(pool)
    if (topic === fresh) await admin.deleteTopics({ topics: [fresh] }).catch(() => undefined)
  }
}

async function watch(
  look: () => Promise<Moment>,
  child: ChildProcess,
  messages: number,
  seconds: number,
  directory: string,
): Promise<Sample> {
  const started = await look()
  let first: Moment | undefined
  let last = started
  let movedAtMs = started.atMs
  while (last.records < messages) {
    await sleep(lookEveryMs)
    const now = await look()
    if (now.records > last.records) movedAtMs = now.atMs
    last = now
    if (now.records > 0) first ??= now
    if (first !== undefined && now.atMs - first.atMs > seconds * 1_000) break
    const ended = child.exitCode !== null || child.signalCode !== null
    if (ended || now.atMs - movedAtMs > (first === undefined ? firstRecordMs : stalledMs)) {
      const why = ended ? 'ended' : 'stood still'
      throw new Error(`it ${why} after ${now.records} of ${messages} records: ${endOfLog(directory)}`)
    }
  }
  if (last.records > messages) throw new Error(`it wrote ${last.records} records for ${messages} messages`)
  // A backlog that is gone at the first look counts from the start of the process.
  const from = first === undefined || first === last ? started : first
  const moved = last.records - from.records
  return {
    perSecond: (moved * 1_000) / (last.atMs - from.atMs),
    cpuUs: (last.relayUs - from.relayUs) / moved,
    // One that decodes the log runs ahead of its first record: Postgres is counted from the start of the relay.
    postgresCpuUs: (last.postgresUs - started.postgresUs) / last.records,
    kafkaCpuUs: (last.kafkaUs - from.kafkaUs) / moved,
    records: last.records,
  }
}

function start({ program, args, env }: RelayCommand, directory: string): ChildProcess {
  const log = openSync(join(directory, 'log'), 'w')
  const child = spawn(program, [...args], { env: { ...process.env, ...env }, stdio: ['ignore', log, log] })
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  child.once('close', () => process.off('exit', end))
  child.on('error', () => undefined)
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMs)
  await ended
  clearTimeout(timer)
}

function endOfLog(directory: string): string {
  return readFileSync(join(directory, 'log'), 'utf8').trim().split('\n').slice(-3).join(' | ').slice(-600)
}
