import type { Tx } from '@oncebox/core'
import { defaultSchema, outboxRing, quoteSchema } from '@oncebox/schema'
import type { Inspector } from '@oncebox/transport'
import { allChecks, consumerChecks } from './allChecks.js'
import type { Check, Finding } from './check.js'
import { createFactReader, type FactReader, UnreadFact } from './factReader.js'
import type { Facts, Limits } from './facts.js'

export interface DoctorOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** `all`, or only what concerns a database where messages are consumed. Default `all`. */
  readonly scope?: 'all' | 'consumer'
  /** Asks the brokers. The caller closes it. Default: none, and what concerns them is skipped. */
  readonly inspector?: Inspector
  /** Where a fact becomes a finding. Default: those of `docs/defaults.md`. */
  readonly limits?: Partial<Limits>
  /** This machine's clock, in milliseconds since the Unix epoch. Default `Date.now`. */
  readonly now?: () => number
  /** Waits between two looks at the lanes. Default: a timer. */
  readonly sleep?: (ms: number) => Promise<void>
}

/** What became of one check. */
export interface CheckReport {
  readonly check: string
  readonly state: 'fine' | 'advice' | 'problem' | 'skipped'
  /** Why it was skipped: the end of the sentence "not checked: …". */
  readonly reason: string | null
  readonly findings: readonly Finding[]
}

const minuteMs = 60_000
const dayMs = 86_400_000

const defaultLimits: Limits = {
  retentionMs: 3 * dayMs,
  horizonMs: 7 * dayMs,
  slotWidthMs: outboxRing.widthMs,
  openTransactionMs: 5 * minuteMs,
  tableLockMs: 5_000,
  clockSkewMs: 5_000,
  sampleMs: 2_000,
}

/** The limits with their defaults: for `status`, which judges by the same. */
export function limitsOf(limits: Partial<Limits> = {}): Limits {
  return { ...defaultLimits, ...limits }
}

/**
 * Looks at everything in the list of checks, and says of each what was found, why it matters and what mends it. Reads
 * only, for about `limits.sampleMs`, on `tx`, which must not be inside a transaction: a fact that may not be read is a
 * statement that fails. Set a `lock_timeout` on its session to be sure of an answer.
 *
 * @throws OnceboxError `INVALID_SETTING` when the schema name is not usable; the driver's error when the database is away.
 */
export async function doctor(tx: Tx, options: DoctorOptions = {}): Promise<CheckReport[]> {
  const schema = options.schema ?? defaultSchema
  quoteSchema(schema)
  const facts = createFactReader({
    tx,
    schema,
    limits: limitsOf(options.limits),
    inspector: options.inspector ?? null,
    now: options.now ?? Date.now,
    sleep: options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms))),
  })
  const reports: CheckReport[] = []
  for (const check of options.scope === 'consumer' ? consumerChecks : allChecks) {
    reports.push(await run(check, facts))
  }
  return reports
}

async function run(check: Check, facts: FactReader): Promise<CheckReport> {
  const needed: [string, unknown][] = []
  try {
    for (const name of check.needs) needed.push([name, await facts.read(name)])
  } catch (error) {
    if (!(error instanceof UnreadFact)) throw error
    return { check: check.name, state: 'skipped', reason: error.message, findings: [] }
  }
  const findings = check
    .judge(Object.fromEntries(needed) as unknown as Facts)
    .map(({ code, severity = 'problem', what, next }): Finding => ({ code, severity, what, why: check.why, next }))
  const state = findings.some(({ severity }) => severity === 'problem')
    ? 'problem'
    : findings.length > 0
      ? 'advice'
      : 'fine'
  return { check: check.name, state, reason: null, findings }
}
