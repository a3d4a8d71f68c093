import { isOnceboxError } from '@oncebox/core'
import { fromPg } from '@oncebox/core/pg'
import { type ConsumerLag, consumerLag, type LaneLag, laneLag } from '@oncebox/ops'
import { eachDatabase } from '../command/databases.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { openInspector } from '../command/inspector.js'
import { printable } from '../command/printable.js'
import type { Console } from '../command/runVerb.js'
import { textTable } from '../command/textTable.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { ConsumerFlags } from '../flags/consumerFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import type { TransportFlags } from '../flags/transportFlags.js'

export interface LagFlags extends CommonFlags, DatabaseFlags, ConsumerFlags, TransportFlags {
  /** Milliseconds. */
  readonly over: number
}

/** `oncebox lag`: how far relay and consumers are behind. A problem (exit 1) when anything waits longer than `over`. */
export async function lag(flags: LagFlags, { output, logger }: Console): Promise<ExitCode> {
  const inspector = await openInspector(flags, logger)
  try {
    const { schema } = flags
    let away: unknown
    const found = await eachDatabase(flags, 'lag', async ({ main, client }) => {
      const tx = fromPg(client)
      const lanes = main ? await laneLag(tx, { schema }) : []
      try {
        return { lanes, consumers: await consumerLag(tx, { schema, inspector: away === undefined ? inspector : null }) }
      } catch (error) {
        if (!isOnceboxError(error) || !error.code.startsWith('TRANSPORT_')) throw error
        // What the database knows is told all the same: brokers that are away are a reason to look.
        away = error
        return { lanes, consumers: await consumerLag(tx, { schema, inspector: null }) }
      }
    })
    const lanes = found.flatMap((one) => one.lanes)
    const consumers = found.flatMap((one) => one.consumers)
    const late = [...lanes, ...consumers].filter(({ seconds }) => (seconds ?? 0) * 1000 > flags.over)
    output.write({ lanes, consumers }, () => describe(lanes, consumers, inspector !== null, late.map(adviceFor)))
    if (away !== undefined) throw away
    return late.length > 0 ? exitCode.problem : exitCode.fine
  } finally {
    await inspector?.close()
  }
}

const seconds = (value: number | null) => (value === null ? '' : `${value.toFixed(1)} s`)

/** What to look at next, about something that waits for too long. */
function adviceFor(late: LaneLag | ConsumerLag): string {
  const waited = `has waited ${seconds(late.seconds)}`
  if ('lane' in late) {
    return `Lane ${late.lane}: the oldest message ${waited} for its publish. "oncebox status" says who holds the lane, "oncebox doctor" what keeps it.`
  }
  const { group, topic, partition, nextOffset } = late
  return printable(
    `Group ${group}: offset ${nextOffset} of ${topic}/${partition} ${waited} to be handled. Does a consumer run, and does its offset rise? Its log names what it stands at.`,
  )
}

function describe(
  lanes: readonly LaneLag[],
  consumers: readonly ConsumerLag[],
  asked: boolean,
  advice: readonly string[],
): string {
  const waiting = lanes.map((one) => [String(one.lane), `${one.exact ? '' : '~'}${one.messages}`, seconds(one.seconds)])
  const unread = consumers.map((one) => [
    one.group,
    `${one.topic}/${one.partition}`,
    one.nextOffset,
    one.endOffset ?? '',
    one.messages === null ? '' : String(one.messages),
    seconds(one.seconds),
  ])
  const right = ['messages', 'oldest', 'next offset', 'end']
  return [
    textTable(['lane', 'messages', 'oldest'], waiting, right),
    consumers.length === 0
      ? 'No consumer group has an offset here. Where groups have a database of their own, give --consumer-url.'
      : textTable(['group', 'partition', 'next offset', 'end', 'messages', 'oldest'], unread, right),
    asked || consumers.length === 0 ? null : 'Give --brokers to see how far consumers are behind.',
    advice.length === 0 ? null : advice.join('\n'),
  ]
    .filter((part) => part !== null)
    .join('\n\n')
}
