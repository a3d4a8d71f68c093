import type { PostgresServer } from '@oncebox/testkit'
import type pg from 'pg'
import { runPgbench } from './pgbench.js'
import { type PgbenchArm, pgbenchScript } from './pgbenchScripts.js'
import { countServers, endedChildrenCpuUs } from './processCpu.js'
import type { Sample } from './results.js'
import { writers } from './writeArms.js'

export interface PgbenchArmOptions {
  readonly postgres: PostgresServer
  readonly pool: pg.Pool
  /** Rounded up to whole ones. */
  readonly seconds: number
}

/** Runs one arm of pgbench and measures what those of Node.js measure. `cpuUs` is pgbench's own. */
export async function runPgbenchArm(arm: PgbenchArm, options: PgbenchArmOptions): Promise<Sample> {
  const { postgres, pool, seconds } = options
  const { script, variables } = await pgbenchScript(arm)
  const run = { url: postgres.url, script, variables, clients: writers }
  const serversUsed = countServers({ postgres: postgres.pid, kafka: undefined })
  const childrenBefore = endedChildrenCpuUs()
  const from = await walPosition(pool)
  const { transactions, perSecond } = await runPgbench({ ...run, seconds: Math.ceil(seconds) })
  const bytes = await walSince(pool, from)
  return {
    perSecond,
    cpuUs: (endedChildrenCpuUs() - childrenBefore) / transactions,
    postgresCpuUs: serversUsed().postgresUs / transactions,
    walBytesPerTransaction: bytes / transactions,
  }
}

async function walPosition(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
  return (rows[0] as { lsn: string }).lsn
}

async function walSince(pool: pg.Pool, from: string): Promise<number> {
  const { rows } = await pool.query<{ bytes: number }>(
    'SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1::pg_lsn)::float8 AS bytes',
    [from],
  )
  return (rows[0] as { bytes: number }).bytes
}
