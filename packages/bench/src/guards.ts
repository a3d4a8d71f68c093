import { startPostgres } from '@oncebox/testkit'
import pg from 'pg'
import { sampleOf } from './armResult.js'
import { type GuardArm, guardArms, guardTables } from './guardArms.js'
import { interleave } from './interleave.js'
import { figure, pairedRatio, type SuiteResult } from './results.js'
import { runArm } from './runArm.js'
import { migrated, postgresSettings } from './servers.js'
import type { Spread } from './statistics.js'

export interface GuardsOptions {
  readonly messages: number
  /** Messages a transaction, at most. */
  readonly batch: number
  readonly rounds: number
  readonly arms: readonly GuardArm[]
  readonly progress: (line: string) => void
}

/** Everything is measured against this one: the inbox id and one plain INSERT. */
export const guardBase: GuardArm = 'inboxId'

/**
 * What each guard adds to a handler's transaction: consumers of messages from memory, four transactions at a time, no two
 * messages of a run for the same row. Each run is checked by the rows it leaves.
 */
export async function guards({ messages, batch, rounds, arms, progress }: GuardsOptions): Promise<SuiteResult> {
  progress('starting Postgres')
  const postgres = await startPostgres({ settings: postgresSettings })
  const pool = new pg.Pool({ connectionString: postgres.url, max: 2 })
  pool.on('error', () => undefined)
  try {
    await migrated(pool, 'oncebox')
    await pool.query(guardTables)
    const environment = { DATABASE_URL: postgres.url, POSTGRES_PID: `${postgres.pid ?? ''}` }
    const runs = arms.map((name) => ({
      name,
      async run() {
        const { prepare, changed } = guardArms[name]
        await pool.query('TRUNCATE payment, coupon, account, views, oncebox.business_key, oncebox.inbox')
        for (const statement of prepare) await pool.query(statement, [messages])
        await pool.query('VACUUM ANALYZE')
        const result = await runArm('guard', {
          ...environment,
          GUARD: name,
          MESSAGES: `${messages}`,
          BATCH: `${batch}`,
        })
        const { rows } = await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${changed}`)
        if (rows[0]?.n !== messages) throw new Error(`${messages} messages left ${rows[0]?.n} rows as they should be`)
        const { cpuUsPerMessage, postgresCpuUsPerMessage } = result
        const bothCpuUs = cpuUsPerMessage + (postgresCpuUsPerMessage ?? Number.NaN)
        return { ...sampleOf(result), bothCpuUs }
      },
    }))
    return await interleave(runs, { suite: 'guards', rounds, progress, settings: { messages, batch } })
  } finally {
    await pool.end()
    await postgres.remove()
  }
}

/**
 * Medians by arm, as the command prints them. Ratios are of the same round: `ratio` of the rates (below 1.00 is slower), and
 * `cpuRatio` of the CPU time of handler and Postgres together (above 1.00 is more), which depends less on what else the
 * machine does. Pure.
 */
export function summarizeGuards(suite: SuiteResult): Record<string, unknown> {
  const names = Object.keys(suite.samples)
  const byArm = (of: (arm: string) => Spread | undefined, show: (found: Spread) => unknown) =>
    Object.fromEntries(
      names.flatMap((arm) => {
        const found = of(arm)
        return found === undefined ? [] : [[arm, show(found)]]
      }),
    )
  const toBase = (name: string) => (arm: string) => pairedRatio(suite, arm, guardBase, name)
  const middle = ({ median }: Spread) => Number(median.toFixed(2))
  const ends = ({ min, max }: Spread) => [Number(min.toFixed(2)), Number(max.toFixed(2))]
  const medians = (name: string) =>
    byArm(
      (arm) => figure(suite, arm, name),
      ({ median }) => Math.round(median),
    )
  return {
    ...suite.settings,
    ratio: byArm(toBase('perSecond'), middle),
    ratioSpread: byArm(toBase('perSecond'), ends),
    cpuRatio: byArm(toBase('bothCpuUs'), middle),
    cpuRatioSpread: byArm(toBase('bothCpuUs'), ends),
    perSecond: medians('perSecond'),
    cpuUs: medians('cpuUs'),
    postgresCpuUs: medians('postgresCpuUs'),
    failures: suite.failures,
  }
}
