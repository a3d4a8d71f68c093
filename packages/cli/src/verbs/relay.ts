import type { Logger } from '@oncebox/core'
import { createRelay, type DrainResult, type Relay, type RelayEvent } from '@oncebox/relay'
import { closeWithin } from '../command/closeWithin.js'
import { openDatabase } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import type { Output } from '../command/output.js'
import { openPublisher } from '../command/publisher.js'
import type { Console } from '../command/runVerb.js'
import { aborted, unlessAborted } from '../command/stopSignal.js'
import { chooseTransport } from '../command/transportChoice.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import type { TransportFlags } from '../flags/transportFlags.js'
import { relayLog } from './relayLog.js'

export interface RelayFlags extends CommonFlags, DatabaseFlags, TransportFlags {
  readonly untilIdle?: boolean
  readonly leaseMs?: number
  readonly createTopics?: number
  readonly deadlineMs: number
}

const closeMs = 1_000

/** `oncebox relay`: publishes until it is told to stop, or with `--until-idle` until nothing is left. */
export async function relay(flags: RelayFlags, console: Console): Promise<ExitCode> {
  const choice = chooseTransport(flags, process.env.KAFKA_SASL_PASSWORD)
  const { output, logger } = console
  const stop = console.stopRequested()
  const { deadlineMs } = flags
  stop.addEventListener('abort', () => logger.info({ deadlineMs }, 'stopping; a second signal ends it at once'))
  const database = await unlessAborted(stop, openDatabase(flags, 'relay'))
  if (database === undefined) return exitCode.fine
  try {
    const publisher = await unlessAborted(stop, openPublisher(choice, database, logger))
    if (publisher === undefined) return exitCode.fine
    try {
      const running = createRelay({
        pool: database.pool,
        publisher,
        schema: flags.schema,
        logger,
        onEvent: tellEvents(output, logger),
        ...(flags.leaseMs === undefined ? {} : { leaseMs: flags.leaseMs }),
        ...(flags.createTopics === undefined ? {} : { createTopics: flags.createTopics }),
      })
      return await publish(running, stop, flags, logger)
    } finally {
      await closeWithin(closeMs, 'the transport', () => publisher.close(), logger)
    }
  } finally {
    await closeWithin(closeMs, 'the database connections', () => database.end(), logger)
  }
}

async function publish(
  running: Relay,
  stop: AbortSignal,
  { untilIdle, deadlineMs }: RelayFlags,
  logger: Logger,
): Promise<ExitCode> {
  await unlessAborted(stop, running.start())
  const drained = untilIdle === true ? await unlessAborted(stop, running.drain()) : undefined
  if (untilIdle !== true) await aborted(stop)
  await running.stop({ deadlineMs })
  return leftBehind(drained, logger) ? exitCode.problem : exitCode.fine
}

/** Messages moved aside are safe, in order, and not published: whoever asked for everything to be published is told. */
function leftBehind(drained: DrainResult | undefined, logger: Logger): boolean {
  if (drained === undefined || drained.parked === 0) return false
  logger.warn(
    { parked: drained.parked, next: 'Run "oncebox status".' },
    'some messages could not be sent and wait aside',
  )
  return true
}

/** With `--json` a line of stdout an event; otherwise lines of the log. */
function tellEvents(output: Output, logger: Logger): (event: RelayEvent) => void {
  return output.json ? (event) => output.write(event, () => null) : relayLog(logger)
}
