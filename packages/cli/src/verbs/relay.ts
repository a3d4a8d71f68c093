import type { Logger } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import { type DrainResult, type Relay, type RelayEvent, readLanes } from '@oncebox/relay'
import { openDatabase, runsOn } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { type LaneRelay, openLaneRelay } from '../command/laneRelay.js'
import type { Output } from '../command/output.js'
import { RelayEndings } from '../command/relayEndings.js'
import type { RelayOperations } from '../command/relayOperations.js'
import type { Console } from '../command/runVerb.js'
import { aborted, unlessAborted } from '../command/stopSignal.js'
import { chooseTransport } from '../command/transportChoice.js'
import { openWebhook } from '../command/webhook.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import type { HttpFlags } from '../flags/httpFlags.js'
import type { TransportFlags } from '../flags/transportFlags.js'
import type { WebhookFlags } from '../flags/webhookFlags.js'
import { relayLog } from './relayLog.js'

export interface RelayFlags extends CommonFlags, DatabaseFlags, TransportFlags, WebhookFlags, HttpFlags {
  readonly untilIdle?: boolean
  /** Every lane when none is given. */
  readonly lane?: readonly number[]
  readonly leaseMs?: number
  readonly createTopics?: number
  readonly deadlineMs: number
}

/** What was not told when the relays have stopped may still be for so long. */
const webhookMs = 3_000

/** `oncebox relay`: publishes until it is told to stop, or with `--until-idle` until nothing is left. */
export async function relay(flags: RelayFlags, console: Console): Promise<ExitCode> {
  const choice = chooseTransport(flags, process.env.KAFKA_SASL_PASSWORD)
  const { output, logger } = console
  const stop = console.stopRequested()
  const { deadlineMs } = flags
  stop.addEventListener('abort', () => logger.info({ deadlineMs }, 'stopping; a second signal ends it at once'))
  const ending = new RelayEndings(flags, logger)
  const webhook = openWebhook(flags, process.env.ONCEBOX_WEBHOOK_SECRET, logger)
  const tell = tellEvents(output, logger)
  const opened: LaneRelay[] = []
  let operations: RelayOperations | undefined
  try {
    const lanes = flags.lane ?? (await unlessAborted(stop, allLanes(flags))) ?? []
    operations = await openOperations(flags, { lanes, stop, logger })
    const onEvent = (event: RelayEvent) => {
      tell(event)
      ending.happened(event)
      webhook?.relayEvents(event)
      operations?.onEvent(event)
    }
    const parts = { choice, logger, onEvent }
    for (const lane of lanes) {
      const next = await unlessAborted(stop, openLaneRelay(lane, flags, parts))
      if (next === undefined) return exitCode.fine
      opened.push(next)
    }
    return await publish(
      opened.map((each) => each.relay),
      stop,
      ending,
      flags,
      logger,
    )
  } finally {
    const closing = [...opened, ...(operations === undefined ? [] : [operations])].map((each) => each.close())
    await Promise.all([...closing, webhook?.stop({ deadlineMs: webhookMs })])
  }
}

/** Without `--http-port` nothing is counted, and nothing listens. */
async function openOperations(
  flags: RelayFlags,
  parts: { readonly lanes: readonly number[]; readonly stop: AbortSignal; readonly logger: Logger },
): Promise<RelayOperations | undefined> {
  if (flags.httpPort === undefined) return undefined
  const { openRelayOperations } = await import('../command/relayOperations.js')
  return openRelayOperations(flags.httpPort, flags, parts)
}

/** The lanes there are now. Lanes that are added later want a relay of their own, or this one started again. */
async function allLanes(flags: RelayFlags): Promise<number[]> {
  const database = await openDatabase(flags, 'relay', runsOn)
  try {
    return await database.session((client) => readLanes(fromPg(client), { schema: flags.schema }))
  } finally {
    await database.end()
  }
}

async function publish(
  relays: readonly Relay[],
  stopAsked: AbortSignal,
  ending: RelayEndings,
  { untilIdle, deadlineMs }: RelayFlags,
  logger: Logger,
): Promise<ExitCode> {
  ending.lanes = relays.length
  const stop = AbortSignal.any([stopAsked, ending.signal])
  const all = <T>(work: (relay: Relay) => Promise<T>) => Promise.all(relays.map(work))
  try {
    await unlessAborted(
      stop,
      all((each) => each.start()),
    )
    const drained =
      untilIdle === true
        ? await unlessAborted(
            stop,
            all((each) => each.drain()),
          )
        : undefined
    if (untilIdle !== true) await aborted(stop)
    return leftBehind(drained ?? [], logger) || ending.signal.aborted ? exitCode.problem : exitCode.fine
  } finally {
    await all((each) => each.stop({ deadlineMs }))
  }
}

/** Messages moved aside are safe, in order, and not published: whoever asked for everything to be published is told. */
function leftBehind(drained: readonly DrainResult[], logger: Logger): boolean {
  const parked = drained.reduce((sum, each) => sum + each.parked, 0)
  if (parked === 0) return false
  logger.warn({ parked, next: 'Run "oncebox status".' }, 'some messages could not be sent and wait aside')
  return true
}

/** With `--json` a line of stdout an event; otherwise lines of the log. */
function tellEvents(output: Output, logger: Logger): (event: RelayEvent) => void {
  return output.json ? (event) => output.write(event, () => null) : relayLog(logger)
}
