import { countServers, serverPidsOf } from './processCpu.js'
import { profiled } from './profiled.js'
import type { Sample } from './results.js'

/** What one run of one arm came to. An arm is a process of its own, so that CPU and memory are its alone. */
export interface ArmResult {
  readonly messages: number
  readonly seconds: number
  /** User and system time of the arm's process, microseconds a message. */
  readonly cpuUsPerMessage: number
  /** The same of all processes of Postgres, and of Kafka's; null where /proc does not tell. */
  readonly postgresCpuUsPerMessage: number | null
  readonly kafkaCpuUsPerMessage: number | null
  /** Largest resident set of the arm's process, MB of 1,000,000 bytes. */
  readonly rssMb: number
  /** What else the arm measured. */
  readonly more?: Sample
}

/** What an arm's work may say of itself, beside how many messages it moved. */
export interface Work {
  readonly messages: number
  /** Seconds that count, where they are not all. */
  readonly seconds?: number
  readonly more?: Sample
}

/** Measures `work`, which resolves to how many messages it moved, and prints the result as one line of JSON. */
export async function measure(work: () => Promise<number | Work>): Promise<void> {
  const serversUsed = countServers(serverPidsOf(process.env))
  const cpu = process.cpuUsage()
  const start = performance.now()
  const done = await profiled(process.env.PROFILE_TO, work)
  const elapsed = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const { postgresUs, kafkaUs } = serversUsed()
  const { messages, seconds = elapsed, more }: Work = typeof done === 'number' ? { messages: done } : done
  const result: ArmResult = {
    messages,
    seconds,
    cpuUsPerMessage: (user + system) / messages,
    postgresCpuUsPerMessage: postgresUs / messages,
    kafkaCpuUsPerMessage: kafkaUs / messages,
    rssMb: (process.resourceUsage().maxRSS * 1_024) / 1e6,
    ...(more === undefined ? {} : { more }),
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

/** The result as figures, whose names carry their units. Pure. */
export function sampleOf(result: ArmResult): Sample {
  const { messages, seconds, cpuUsPerMessage, postgresCpuUsPerMessage, kafkaCpuUsPerMessage, rssMb, more } = result
  return {
    perSecond: messages / seconds,
    cpuUs: cpuUsPerMessage,
    ...(postgresCpuUsPerMessage === null ? {} : { postgresCpuUs: postgresCpuUsPerMessage }),
    ...(kafkaCpuUsPerMessage === null ? {} : { kafkaCpuUs: kafkaCpuUsPerMessage }),
    rssMb,
    ...more,
  }
}
