import type { Logger } from '@oncebox/core'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { ExitCode } from './exitCode.js'
import { failureOf, UsageError } from './failure.js'
import { createOutput, type Output } from './output.js'
import { createRedactor, type Redactor, secretsOf } from './redaction.js'
import { listenForStop, type StopListener } from './stopSignal.js'

/** What a verb works with. */
export interface Console {
  readonly output: Output
  readonly logger: Logger
  /**
   * From now on SIGTERM and SIGINT, or a reader of stdout that goes away, abort the signal instead of ending the
   * process; a second SIGTERM or SIGINT ends it at once. Verbs that do not call it end at the first.
   */
  stopRequested(): AbortSignal
}

/** A verb: resolves to its exit code, one of `exitCode` or above 128; a thrown error is reported and becomes one. */
export type Verb = (console: Console) => Promise<number>

/** Runs a verb: opens stdout and stderr, reports what it throws, and flushes. */
export async function runVerb(flags: CommonFlags, verb: Verb): Promise<number> {
  const { openDiagnostics } = await import('./diagnostics.js')
  const redact = createRedactor([
    ...[flags.databaseUrl, ...(flags.consumerUrl ?? [])].flatMap(secretsOf),
    process.env.KAFKA_SASL_PASSWORD,
    process.env.ONCEBOX_WEBHOOK_SECRET,
    process.env.ONCEBOX_DASHBOARD_TOKEN,
  ])
  const logger = await openDiagnostics({ level: flags.logLevel, redact, terminal: process.stderr.isTTY === true })
  const output = createOutput(process.stdout, flags.json === true)
  let listener: StopListener | undefined
  const stopRequested = () => {
    listener ??= listenForStop()
    return AbortSignal.any([listener.signal, output.closed])
  }
  try {
    return await verb({ output, logger, stopRequested })
  } catch (error) {
    return report(error, logger, redact)
  } finally {
    await output.flush()
  }
}

/** A usage error is said as text, like those of the argument parser; anything else is a line of the log. */
function report(error: unknown, logger: Logger, redact: Redactor): ExitCode {
  const { exitCode, code, what, next } = failureOf(error)
  if (error instanceof UsageError) {
    process.stderr.write(redact(`error: ${what}\n${next === undefined ? '' : `${next}\n`}`))
  } else {
    logger.error({ ...(code === undefined ? {} : { code }), ...(next === undefined ? {} : { next }) }, what)
  }
  return exitCode
}
