import type { Logger } from '@oncebox/core'
import { verify as compare, type Discrepancy, type Verified } from '@oncebox/ops'
import type { Subscriber } from '@oncebox/transport'
import { openDatabase } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { UsageError } from '../command/failure.js'
import { openInspector } from '../command/inspector.js'
import { installed } from '../command/installed.js'
import { printable } from '../command/printable.js'
import { kafkaSettings } from '../command/publisher.js'
import type { Console } from '../command/runVerb.js'
import { readTopic } from '../command/topicReader.js'
import { chooseTransport } from '../command/transportChoice.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { ConsumerFlags } from '../flags/consumerFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import type { TransportFlags } from '../flags/transportFlags.js'

export interface VerifyFlags extends CommonFlags, DatabaseFlags, ConsumerFlags, TransportFlags {
  /** Milliseconds since the Unix epoch. */
  readonly since?: number
  readonly until?: number
}

const hourMs = 3_600_000

/** `oncebox verify`: outbox against topics against inboxes. A discrepancy is exit 1. */
export async function verify(flags: VerifyFlags, { output, logger }: Console): Promise<ExitCode> {
  const toMs = flags.until ?? Date.now()
  const fromMs = flags.since ?? Math.min(Date.now(), toMs) - hourMs
  if (fromMs >= toMs) throw new UsageError('the time range ends before it begins', 'Mend --since and --until.')
  const subscriber = await openSubscriber(flags, logger)
  const inspector = await openInspector(flags, logger)
  const urls = [flags.databaseUrl, ...(flags.consumerUrl ?? [])]
  const opened: Awaited<ReturnType<typeof openDatabase>>[] = []
  try {
    if (inspector === null) throw new UsageError('verify compares with Kafka', 'Give --brokers or set KAFKA_BROKERS.')
    for (const url of urls) {
      opened.push(
        await openDatabase({ schema: flags.schema, ...(url === undefined ? {} : { databaseUrl: url }) }, 'verify'),
      )
    }
    const [main] = opened
    const found = await compare((main as (typeof opened)[number]).pool, {
      schema: flags.schema,
      fromMs,
      toMs,
      readTopic: (topic, sinceMs, take) => readTopic(topic, sinceMs, { inspector, subscriber, logger }, take),
      consumers: opened.map(({ pool }) => pool),
    })
    output.write(found, () => describe(found))
    return found.discrepancies.length === 0 ? exitCode.fine : exitCode.problem
  } finally {
    for (const database of opened) await database.end()
    await inspector?.close()
    await subscriber.close()
  }
}

async function openSubscriber(flags: VerifyFlags, logger: Logger): Promise<Subscriber> {
  const choice = chooseTransport(flags, process.env.KAFKA_SASL_PASSWORD)
  switch (choice.name) {
    case 'pg-boss':
      throw new UsageError('verify compares with Kafka: pg-boss keeps no record of what was handled')
    case 'kafka':
      return (await installed(() => import('@oncebox/kafka'))).kafka(kafkaSettings(choice, logger))
    case 'kafkajs':
      return (await installed(() => import('@oncebox/kafkajs'))).kafkajs(kafkaSettings(choice, logger))
  }
}

function describe(found: Verified): string {
  const { written, waiting, parked, published, groups, discrepancies } = found
  const time = (ms: number) => new Date(ms).toISOString()
  const head = [
    `Written from ${time(found.fromMs)} to ${time(found.toMs)}: ${written} messages, ${waiting} waiting, ${parked} held back.`,
    `Published: ${published} records of them.`,
    ...groups.map(({ group, topic, passed }) => `Group ${group} has passed ${passed} of ${topic}.`),
  ].map(printable)
  const body =
    discrepancies.length === 0 ? ['Nothing is missing, double or out of order.'] : discrepancies.map(describeOne)
  return [head.join('\n'), body.join('\n')].join('\n\n')
}

function describeOne(one: Discrepancy): string {
  if (one.code === 'LOST') return printable(`LOST: ${one.id} of ${one.topic}, position ${one.position}`)
  const place = `${one.id} at ${one.topic}/${one.partition}, offset ${one.offset}`
  switch (one.code) {
    case 'UNKNOWN':
      return printable(`UNKNOWN: ${place}: no such message was written`)
    case 'DUPLICATED':
      return printable(`DUPLICATED: ${place}: ${one.copies} copies`)
    case 'OUT_OF_ORDER':
      return printable(`OUT_OF_ORDER: ${place}: behind ${one.behind} of the same key, which was written later`)
    case 'NOT_HANDLED':
      return printable(`NOT_HANDLED: ${place}: group ${one.group} has passed it and does not know it`)
  }
}
