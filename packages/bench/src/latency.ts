import { setTimeout as sleep } from 'node:timers/promises'
import { sampleOf } from './armResult.js'
import { type Arm, interleave } from './interleave.js'
import { countServers, treeCpuUs } from './processCpu.js'
import { type RelayProcess, startRelay } from './relayProcess.js'
import type { Sample, SuiteResult } from './results.js'
import { runArm } from './runArm.js'
import { type BenchServers, createTopics, migrated, withServers } from './servers.js'
import { partitions, topic } from './workload.js'

export interface LatencyOptions {
  /** How long each rate is held, and an idle relay watched. */
  readonly seconds: number
  readonly rounds: number
  readonly progress: (line: string) => void
}

/**
 * How long a committed message takes to a consumer of Kafka at a steady rate, beside the same messages sent to Kafka with
 * no outbox; and what a relay that has nothing to do costs.
 */
export function latency({ seconds, rounds, progress }: LatencyOptions): Promise<SuiteResult> {
  return withServers({ progress }, async (servers) => {
    await createTopics(servers.admin, [topic], partitions)
    await migrated(servers.pool, 'oncebox')
    await servers.pool.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements')
    const steady = (name: string, way: 'outbox' | 'direct', rate: number): Arm => ({
      name,
      run: () => steadyLoad(servers, way, rate, seconds),
    })
    progress('warming up')
    // The broker makes its table of consumer offsets for the first consumer there is, which takes seconds.
    await steadyLoad(servers, 'direct', 200, 1).catch(() => undefined)
    const arms = [
      steady('direct1000', 'direct', 1_000),
      steady('outbox1000', 'outbox', 1_000),
      steady('direct10000', 'direct', 10_000),
      steady('outbox10000', 'outbox', 10_000),
      { name: 'idle', run: () => idle(servers, seconds) },
    ]
    return interleave(arms, { suite: 'latency', rounds, progress, settings: { seconds, payloadBytes: 200 } })
  })
}

async function steadyLoad(
  { pool, environment }: BenchServers,
  way: 'outbox' | 'direct',
  rate: number,
  seconds: number,
): Promise<Sample> {
  await pool.query('TRUNCATE oncebox.outbox')
  const load = { ...environment, WAY: way, RATE: `${rate}`, SECONDS: `${seconds}` }
  if (way === 'direct') return sampleOf(await runArm('latency', load))
  return withRelay(environment, async (relay) =>
    sampleOf(await runArm('latency', { ...load, RELAY_PID: `${relay.pid}` })),
  )
}

/** Statements and CPU of a relay for which there is nothing to do. */
function idle({ pool, environment, postgres, kafka }: BenchServers, seconds: number): Promise<Sample> {
  return withRelay(environment, async (relay) => {
    // Its polls have become as rare as they get.
    await sleep(Math.min(3_000, seconds * 1_000))
    await pool.query('SELECT pg_stat_statements_reset()')
    const serversUsed = countServers({ postgres: postgres.pid, kafka: kafka.pid })
    const relayBefore = treeCpuUs(relay.pid)
    const start = performance.now()
    await sleep(seconds * 1_000)
    const elapsed = (performance.now() - start) / 1_000
    const relayUs = treeCpuUs(relay.pid) - relayBefore
    const { postgresUs } = serversUsed()
    const { rows } = await pool.query<{ calls: number }>(
      `SELECT coalesce(sum(calls), 0)::int AS calls FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'`,
    )
    return {
      statementsPerSecond: (rows[0]?.calls ?? 0) / elapsed,
      ...(Number.isNaN(relayUs) ? {} : { relayCpuMsPerSecond: relayUs / 1_000 / elapsed }),
      ...(Number.isNaN(postgresUs) ? {} : { postgresCpuMsPerSecond: postgresUs / 1_000 / elapsed }),
    }
  })
}

async function withRelay(
  environment: BenchServers['environment'],
  work: (relay: RelayProcess) => Promise<Sample>,
): Promise<Sample> {
  const relay = await startRelay(environment)
  try {
    return await work(relay)
  } finally {
    await relay.stop()
  }
}
