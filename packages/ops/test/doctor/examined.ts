import { type CheckReport, type DoctorOptions, doctor, type Finding, type ProblemCode } from '@oncebox/ops'
import type pg from 'pg'

/** Short limits and no waiting: faults are made in a moment. */
const hasty: DoctorOptions = { limits: { openTransactionMs: 0, sampleMs: 0 }, sleep: async () => {} }

/** Every check's report, on a session of its own outside of any transaction. */
export async function examine(pool: pg.Pool, options: DoctorOptions = {}): Promise<CheckReport[]> {
  const client = await pool.connect()
  try {
    return await doctor(client, { ...hasty, ...options, limits: { ...hasty.limits, ...options.limits } })
  } finally {
    client.release()
  }
}

/** The findings with this code. */
export async function findings(pool: pg.Pool, code: ProblemCode, options: DoctorOptions = {}): Promise<Finding[]> {
  return (await examine(pool, options)).flatMap((check) => check.findings).filter((finding) => finding.code === code)
}

/** The codes of all findings but those of the shared server's settings and of a relay that a test does without. */
export function codesOf(reports: readonly CheckReport[]): string[] {
  const known = ['COMMITS_NOT_DURABLE', 'IDLE_TRANSACTIONS_UNLIMITED', 'NO_RELAY']
  return reports.flatMap((check) => check.findings.map(({ code }) => code)).filter((code) => !known.includes(code))
}
