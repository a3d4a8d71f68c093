import { fromPg } from '@oncebox/core/pg'
import { doctor as examine } from '@oncebox/ops'
import { eachDatabase } from '../command/databases.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { openInspector } from '../command/inspector.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { ConsumerFlags } from '../flags/consumerFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import type { TransportFlags } from '../flags/transportFlags.js'
import { describeExaminations } from './describeDoctor.js'

export interface DoctorFlags extends CommonFlags, DatabaseFlags, ConsumerFlags, TransportFlags {
  /** Milliseconds, all three. */
  readonly retention: number
  readonly horizon: number
  readonly open: number
}

/** `oncebox doctor`: every check, on every database that is named. A problem found is exit 1. */
export async function doctor(flags: DoctorFlags, { output, logger }: Console): Promise<ExitCode> {
  const inspector = await openInspector(flags, logger)
  const limits = { retentionMs: flags.retention, horizonMs: flags.horizon, openTransactionMs: flags.open }
  try {
    const databases = await eachDatabase(flags, 'doctor', async ({ name, main, client }) => ({
      database: name,
      checks: await examine(fromPg(client), {
        schema: flags.schema,
        scope: main ? 'all' : 'consumer',
        limits,
        ...(inspector === null ? {} : { inspector }),
      }),
    }))
    const findings = databases.flatMap(({ checks }) => checks.flatMap((check) => check.findings))
    const problems = findings.filter(({ severity }) => severity === 'problem').length
    const found = { databases, problems, advice: findings.length - problems }
    output.write(found, () => describeExaminations(databases))
    return problems === 0 ? exitCode.fine : exitCode.problem
  } finally {
    await inspector?.close()
  }
}
