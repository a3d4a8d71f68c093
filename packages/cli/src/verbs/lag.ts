import { fromPg } from '@oncebox/core/pg'
import { type ConsumerLag, consumerLag, type LaneLag, laneLag } from '@oncebox/ops'
import { eachDatabase } from '../command/databases.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { openInspector } from '../command/inspector.js'
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
    const found = await eachDatabase(flags, 'lag', async ({ main, client }) => {
      const tx = fromPg(client)
      return {
        lanes: main ? await laneLag(tx, { schema }) : [],
        consumers: await consumerLag(tx, { schema, inspector }),
      }
    })
    const lanes = found.flatMap((one) => one.lanes)
    const consumers = found.flatMap((one) => one.consumers)
    output.write({ lanes, consumers }, () => describe(lanes, consumers, inspector !== null))
    const late = [...lanes, ...consumers].some(({ seconds }) => (seconds ?? 0) * 1000 > flags.over)
    return late ? exitCode.problem : exitCode.fine
  } finally {
    await inspector?.close()
  }
}

const seconds = (value: number | null) => (value === null ? '' : `${value.toFixed(1)} s`)

function describe(lanes: readonly LaneLag[], consumers: readonly ConsumerLag[], asked: boolean): string {
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
      ? 'No consumer group has an offset here.'
      : textTable(['group', 'partition', 'next offset', 'end', 'messages', 'oldest'], unread, right),
    asked || consumers.length === 0 ? null : 'Give --brokers to see how far consumers are behind.',
  ]
    .filter((part) => part !== null)
    .join('\n\n')
}
