import { readFileSync } from 'node:fs'

/** Linux counts in ticks of 10 ms (USER_HZ), on every architecture Node.js runs on. */
const tickUs = 10_000

/** User and system time of the process itself, and of its children that have ended, from a line of /proc/PID/stat. Pure. */
export function parseStat(line: string): { readonly ownUs: number; readonly endedChildrenUs: number } {
  // The second field is the program's name in parentheses, with whatever characters it likes.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [user, system, endedUser, endedSystem] = fields.slice(11, 15).map(Number)
  return {
    ownUs: ((user ?? 0) + (system ?? 0)) * tickUs,
    endedChildrenUs: ((endedUser ?? 0) + (endedSystem ?? 0)) * tickUs,
  }
}

/**
 * CPU time in microseconds that a process and its children have used so far: all of Postgres by its postmaster. A child
 * that ends in between goes on to count with its parent. NaN where there is no /proc, or no such process.
 */
export function treeCpuUs(pid: number | undefined): number {
  if (pid === undefined || !Number.isSafeInteger(pid)) return Number.NaN
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean)
    return [pid, ...children.map(Number)].reduce((sum, each) => sum + processCpuUs(each), 0)
  } catch {
    return Number.NaN
  }
}

/** CPU time in microseconds of this process's children that have ended. NaN where there is no /proc. */
export function endedChildrenCpuUs(): number {
  try {
    return parseStat(readFileSync('/proc/self/stat', 'latin1')).endedChildrenUs
  } catch {
    return Number.NaN
  }
}

function processCpuUs(pid: number): number {
  try {
    const { ownUs, endedChildrenUs } = parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))
    return ownUs + endedChildrenUs
  } catch {
    // Gone since it was listed: its parent has its time now, or will.
    return 0
  }
}

/** Postgres and Kafka, by the process ids of postmaster and JVM. */
export interface ServerPids {
  readonly postgres: number | undefined
  readonly kafka: number | undefined
}

/** Starts to count what the servers use; the function it returns says how much that was, in microseconds. */
export function countServers({ postgres, kafka }: ServerPids): () => { postgresUs: number; kafkaUs: number } {
  const before = { postgres: treeCpuUs(postgres), kafka: treeCpuUs(kafka) }
  return () => ({ postgresUs: treeCpuUs(postgres) - before.postgres, kafkaUs: treeCpuUs(kafka) - before.kafka })
}

/** The process ids that the parent told an arm through its environment. */
export function serverPidsOf(environment: NodeJS.ProcessEnv): ServerPids {
  const pid = (text: string | undefined) => (text === undefined || text === '' ? undefined : Number(text))
  return { postgres: pid(environment.POSTGRES_PID), kafka: pid(environment.KAFKA_PID) }
}
