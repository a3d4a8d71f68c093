import { readFile } from 'node:fs/promises'
import type { Tx } from '@oncebox/core'
import type { NodeProcess, SmallDisk } from '@oncebox/testkit'

/** What a look at the system shows. */
export interface Sample {
  /** Seconds since the beginning. */
  readonly at: number
  /** Resident memory of relays and consumers together, in megabytes. */
  readonly memoryMb: number
  /** Sessions on the database. */
  readonly connections: number
  /** Leaves of the outbox with rows in them, of nine. */
  readonly leaves: number
  /** Megabytes of the outbox, indexes included. */
  readonly outboxMb: number
  /** Megabytes on the disk that is fullest; null where the servers have none of their own. */
  readonly diskMb: number | null
  /** Committed orders that are not booked yet. */
  readonly waiting: number
  /** The fault that is on, if any. */
  readonly fault: string | null
}

const leaves = ['0', '1', '2', '3', '4', '5', '6', '7', 'default'].map((name) => `oncebox.outbox_${name}`)

const looking = `
  select (select count(*)::int from pg_stat_activity where datname = current_database()) as connections,
    ${leaves.map((leaf) => `(exists (select from ${leaf}))::int`).join(' + ')} as leaves,
    (select sum(pg_total_relation_size(relid))::float8 / 1e6 from pg_partition_tree('oncebox.outbox')) as "outboxMb",
    ((select count(*) from orders) - (select count(*) from ledger))::int as waiting`

/** Null while the database cannot be asked. */
export async function takeSample(
  database: Tx,
  disks: readonly SmallDisk[],
  processes: readonly NodeProcess[],
  at: number,
  fault: string | null,
): Promise<Sample | null> {
  const memory = await Promise.all(processes.map(({ pid }) => residentMb(pid)))
  try {
    const { rows } = await database.query<Pick<Sample, 'connections' | 'leaves' | 'outboxMb' | 'waiting'>>(looking)
    const [seen] = rows
    if (seen === undefined) return null
    const memoryMb = memory.reduce((sum, each) => sum + each, 0)
    const used = await Promise.all(disks.map((disk) => disk.usedBytes()))
    const diskMb = used.length === 0 ? null : Math.round(Math.max(...used) / 1e6)
    return { at, memoryMb, diskMb, ...seen, fault }
  } catch {
    return null
  }
}

/** A line a session, for a problem: what it does or did last, since when, and what it waits for. */
export async function whatSessionsDo(database: Tx): Promise<readonly string[]> {
  const text = `
    select concat_ws(' ', pid, state, 'for', round(extract(epoch from clock_timestamp() - state_change), 1), 's',
      wait_event, 'behind ' || nullif(pg_blocking_pids(pid)::text, '{}'), left(regexp_replace(query, '\\s+', ' ', 'g'), 100)) as line
    from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() order by state_change`
  try {
    const { rows } = await database.query<{ line: string }>(text)
    return rows.map(({ line }) => line)
  } catch (error) {
    return [`they cannot be asked for: ${(error as Error).message}`]
  }
}

/** 0 for a process that has ended, and where the system does not tell (it does on Linux). */
async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1_000
}
