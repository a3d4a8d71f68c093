import { type Latency, measureLatency } from '../bench/latency.js'
import { benchName, inRoom } from '../bench/room.js'
import { measureDrain, measureProduce, measureRead, type Throughput } from '../bench/throughput.js'
import { fill } from '../bench/workload.js'
import { measureWriting, type Writing } from '../bench/writing.js'
import { closeWithin } from '../command/closeWithin.js'
import { openDatabase } from '../command/database.js'
import { exitCode } from '../command/exitCode.js'
import { openKafka } from '../command/publisher.js'
import type { Console } from '../command/runVerb.js'
import { textTable } from '../command/textTable.js'
import { chooseTransport } from '../command/transportChoice.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { TransportFlags } from '../flags/transportFlags.js'

export interface BenchFlags extends CommonFlags, TransportFlags {
  readonly messages: number
}

export interface BenchReport {
  readonly messages: number
  readonly drain: Throughput
  readonly read: Throughput
  readonly produce: Throughput
  readonly write: Writing
  readonly latency: Latency
}

const interrupted = 130
const closeMs = 2_000

/** `oncebox bench`: a short benchmark on servers of the user's own. 130 when it was interrupted; nothing stays then either. */
export async function bench(flags: BenchFlags, { output, logger, stopRequested }: Console): Promise<number> {
  const choice = chooseTransport(flags, process.env.KAFKA_SASL_PASSWORD)
  const signal = stopRequested()
  const name = benchName()
  const { messages } = flags
  try {
    const database = await openDatabase({ ...flags, schema: name }, 'bench')
    try {
      const transport = await openKafka(choice, logger)
      try {
        const report = await inRoom(
          { name, database, transport, signal, logger },
          async (room): Promise<BenchReport> => {
            logger.info({ messages }, 'filling the outbox')
            await fill(room, messages)
            // Before the drain, which then finds what they share compiled.
            logger.info({}, 'measuring what limits a drain')
            const read = await measureRead(room)
            const produce = await measureProduce(room, messages)
            logger.info({}, 'draining the outbox')
            const drain = await measureDrain(room)
            logger.info({}, 'measuring transactions with and without a message')
            const write = await measureWriting(room)
            logger.info({}, 'measuring the time from commit to consumer')
            const latency = await measureLatency(room, logger)
            return { messages, drain, read, produce, write, latency }
          },
        )
        output.write(report, () => describe(report))
        return exitCode.fine
      } finally {
        await closeWithin(closeMs, 'the transport', () => transport.close(), logger)
      }
    } finally {
      await closeWithin(closeMs, 'the database connections', () => database.end(), logger)
    }
  } catch (error) {
    if (!signal.aborted) throw error
    logger.info({}, 'interrupted; schema and topic are removed')
    return interrupted
  }
}

function describe({ drain, read, produce, write, latency }: BenchReport): string {
  const rate = ({ perSecond, cpuUsPerMessage }: Throughput) => [perSecond.toLocaleString('en'), `${cpuUsPerMessage} µs`]
  const flow = textTable(
    ['messages', 'a second', 'CPU of this process'],
    [
      ['drained from Postgres to Kafka', ...rate(drain)],
      ['limit: read from Postgres', ...rate(read)],
      ['limit: produced to Kafka', ...rate(produce)],
    ],
    ['a second', 'CPU of this process'],
  )
  return [
    flow,
    '',
    `Transactions a second: ${write.withoutMessage.toLocaleString('en')} without a message, ` +
      `${write.withMessage.toLocaleString('en')} with one (${write.ratio}).`,
    `Commit to consumer at ${latency.perSecond}/s: p50 ${latency.p50Ms} ms, p99 ${latency.p99Ms} ms.`,
  ].join('\n')
}
