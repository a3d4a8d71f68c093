import type { Clock } from '@oncebox/core'
import { silentLogger } from '@oncebox/core'
import type { OutgoingRecord, PublishOutcome } from '@oncebox/transport'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BatchLimits } from '../src/batchLimits.js'
import { Delivery, type DeliveryTarget } from '../src/delivery.js'
import { PartitionQueue } from '../src/partitionQueue.js'
import type { PartitionResult } from '../src/produceResponse.js'
import { RecordBatchReader } from '../src/recordBatchReader.js'
import { RecordWriter } from '../src/recordWriter.js'
import { PartitionSequences } from '../src/sequences.js'

const largest = 2 ** 31 - 1

describe('sequence numbers', () => {
  it('run to 2^31 - 1 and then from 0 again, also in the middle of a batch', () => {
    const sequences = new PartitionSequences(7n, 0, { firstSequence: largest - 1 })
    expect(sequences.stamp('p').baseSequence).toBe(largest - 1)
    sequences.advance('p', 5)
    expect(sequences.stamp('p').baseSequence).toBe(3)
  })

  it('begin at 0 in the next epoch, for that partition only, until epochs are used up', () => {
    const sequences = new PartitionSequences(7n, 32_766)
    sequences.advance('p', 5)
    expect(sequences.nextEpoch('p')).toBe(true)
    expect(sequences.stamp('p')).toEqual({ producerId: 7n, producerEpoch: 32_767, baseSequence: 0 })
    expect(sequences.stamp('q')).toEqual({ producerId: 7n, producerEpoch: 32_766, baseSequence: 0 })
    expect(sequences.nextEpoch('p')).toBe(false)
  })
})

interface Seen {
  readonly epoch: number
  readonly sequence: number
  readonly bytes: string
  readonly values: readonly string[]
}

/**
 * A simulated broker with one partition and Kafka's rules for producers: the last batch is recognized by its sequence
 * range alone, a gap is refused, a newer epoch begins at 0, an older one is fenced.
 */
class SimulatedBroker {
  readonly log: string[] = []
  readonly oversize: ReadonlySet<string>
  #epoch = -1
  #last: { first: number; last: number; offset: number } | null = null

  constructor(oversize: ReadonlySet<string> = new Set()) {
    this.oversize = oversize
  }

  write({ epoch, sequence, values }: Seen): { errorCode: number; baseOffset: bigint } {
    const refused = (errorCode: number) => ({ errorCode, baseOffset: -1n })
    if (values.some((value) => this.oversize.has(value))) return refused(10)
    if (epoch < this.#epoch) return refused(47)
    const end = (sequence + values.length - 1) % 2 ** 31
    if (epoch === this.#epoch && this.#last !== null) {
      if (this.#last.first === sequence && this.#last.last === end) {
        return { errorCode: 0, baseOffset: BigInt(this.#last.offset) }
      }
      if (sequence !== (this.#last.last + 1) % 2 ** 31) return refused(45)
    } else if (epoch > this.#epoch && this.#epoch >= 0 && sequence !== 0) return refused(45)
    this.#epoch = epoch
    this.#last = { first: sequence, last: end, offset: this.log.length }
    this.log.push(...values)
    return { errorCode: 0, baseOffset: BigInt(this.#last.offset) }
  }
}

function seen(bytes: Buffer): Seen {
  const batch = new RecordBatchReader({ topic: 't', partition: 0 }, bytes, { from: 0, aborted: [] }).next()
  return {
    epoch: bytes.readInt16BE(51),
    sequence: bytes.readInt32BE(53),
    bytes: bytes.toString('latin1'),
    values: batch?.records.map((record) => String(record.value)) ?? [],
  }
}

/** What becomes of a request, in the order in which they are sent; past the end all is well. */
type Fault = 'none' | 'lostBefore' | 'lostAfter' | 'notSent' | 'late' | 'notEnoughReplicas' | 'timedOutAfter'

/** Time that passes when somebody waits for it. */
function simulatedClock(): Clock {
  let now = 1_000_000
  return {
    now: () => now,
    sleep: async (ms) => {
      now += ms
    },
  }
}

class SimulatedTarget implements DeliveryTarget {
  readonly requests: Seen[] = []
  readonly broker: SimulatedBroker
  readonly #faults: Fault[]
  readonly #late: Seen[] = []

  constructor(broker: SimulatedBroker, faults: readonly Fault[]) {
    this.broker = broker
    this.#faults = [...faults]
  }

  known() {
    return { kind: 'known', topicId: 'id', leaders: [1] } as const
  }

  forget() {}

  async refresh() {}

  async produce(_: number, batches: readonly { bytes: Buffer }[]): Promise<PartitionResult[] | 'notSent' | 'noAnswer'> {
    await Promise.resolve()
    const request = seen((batches[0] as { bytes: Buffer }).bytes)
    const fault = this.#faults.shift() ?? 'none'
    if (fault === 'notSent') return 'notSent'
    this.requests.push(request)
    const answer = (result: { errorCode: number; baseOffset: bigint }) => [{ topic: 't', partition: 0, ...result }]
    if (fault === 'lostBefore') return 'noAnswer'
    if (fault === 'late') {
      this.#late.push(request)
      return 'noAnswer'
    }
    if (fault === 'notEnoughReplicas') return answer({ errorCode: 19, baseOffset: -1n })
    const result = answer(this.broker.write(request))
    // What was under way all the time arrives behind a newer request.
    for (const late of this.#late.splice(0)) this.broker.write(late)
    if (fault === 'lostAfter') return 'noAnswer'
    if (fault === 'timedOutAfter') return answer({ errorCode: 7, baseOffset: -1n })
    return result
  }
}

const recordsOf = (values: readonly string[], keys = 3): OutgoingRecord[] =>
  values.map((value, at) => ({
    topic: 't',
    partition: 0,
    key: Buffer.from(`k${at % keys}`),
    value: Buffer.from(value),
    headers: [],
  }))

async function publish(
  target: SimulatedTarget,
  sequences: PartitionSequences,
  records: readonly OutgoingRecord[],
  patienceMs = 5_000,
): Promise<PublishOutcome[]> {
  const outcomes = new Array<PublishOutcome>(records.length)
  const queue = new PartitionQueue({
    topic: 't',
    partition: 0,
    records,
    indexes: records.map((_, index) => index),
    outcomes,
    sequences,
    limits: new BatchLimits(120),
    compression: 'none',
    out: new RecordWriter(64),
  })
  const common = { clock: simulatedClock(), logger: silentLogger, attemptTimeoutMs: 1_000 }
  await new Delivery([queue], { target, patienceMs: () => patienceMs, ...common }).run()
  return outcomes
}

describe('delivery to a simulated broker', () => {
  const fault = fc.constantFrom<Fault>(
    'none',
    'lostBefore',
    'lostAfter',
    'notSent',
    'late',
    'notEnoughReplicas',
    'timedOutAfter',
  )

  it('writes every record once and in order, whatever answers are lost, as long as it may try again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 12 }), fc.integer({ min: 1, max: 25 }), async (faults, count) => {
        const broker = new SimulatedBroker()
        const target = new SimulatedTarget(broker, faults)
        const values = Array.from({ length: count }, (_, n) => `${n}`)
        const outcomes = await publish(target, new PartitionSequences(1n, 0), recordsOf(values), 60_000)
        expect(broker.log).toEqual(values)
        expect(outcomes.map((outcome) => outcome.status === 'acked' && String(outcome.offset))).toEqual(values)
      }),
      { numRuns: 300 },
    )
  })

  it('sends the very same bytes again until an answer comes', async () => {
    const target = new SimulatedTarget(new SimulatedBroker(), ['lostAfter', 'notEnoughReplicas', 'timedOutAfter'])
    await publish(target, new PartitionSequences(1n, 0), recordsOf(['a', 'b']), 60_000)
    expect(target.requests).toHaveLength(4)
    expect(new Set(target.requests.map((request) => request.bytes)).size).toBe(1)
  })

  it('gives up an epoch with a batch of unknown fate, so that its late arrival is fenced', async () => {
    const broker = new SimulatedBroker()
    const sequences = new PartitionSequences(1n, 0)
    const target = new SimulatedTarget(broker, ['late', ...Array.from({ length: 3 }, (): Fault => 'lostBefore')])
    const first = await publish(target, sequences, recordsOf(['a', 'b']), 50)
    expect(first.map((outcome) => outcome.status)).toEqual(['failed', 'failed'])
    // Cut differently, as a relay may after a failure.
    const again = new SimulatedTarget(broker, [])
    for (const value of ['a', 'b']) await publish(again, sequences, recordsOf([value]))
    expect(again.requests.map(({ epoch, sequence }) => [epoch, sequence])).toEqual([
      [1, 0],
      [1, 1],
    ])
    expect(broker.write(target.requests[0] as Seen).errorCode).toBe(47)
    expect(broker.log).toEqual(['a', 'b'])
  })

  it('gives up an epoch with a batch that a broker may have written although it answered with an error', async () => {
    const broker = new SimulatedBroker()
    const sequences = new PartitionSequences(1n, 0)
    const faults = Array.from({ length: 99 }, (): Fault => 'timedOutAfter')
    const [outcome] = await publish(new SimulatedTarget(broker, faults), sequences, recordsOf(['a']), 50)
    expect(outcome?.status).toBe('failed')
    // Under the old epoch this would be taken for the batch before, acked and not written.
    await publish(new SimulatedTarget(broker, []), sequences, recordsOf(['b']))
    expect(broker.log).toEqual(['a', 'b'])
  })

  it('keeps its epoch when nothing can have reached the broker', async () => {
    const sequences = new PartitionSequences(1n, 0)
    const faults = Array.from({ length: 99 }, (): Fault => 'notSent')
    const [outcome] = await publish(new SimulatedTarget(new SimulatedBroker(), faults), sequences, recordsOf(['a']), 50)
    expect(outcome?.status).toBe('failed')
    expect(sequences.stamp('t\u00000')).toMatchObject({ producerEpoch: 0, baseSequence: 0 })
  })

  it('after a definite refusal splits under the same sequence numbers, and holds what is behind the culprit', async () => {
    const one = fc.tuple(fc.array(fault, { maxLength: 6 }), fc.uniqueArray(fc.nat(19), { maxLength: 4 }))
    await fc.assert(
      fc.asyncProperty(one, async ([faults, culprits]) => {
        const values = Array.from({ length: 20 }, (_, n) => `${n}`)
        const broker = new SimulatedBroker(new Set(culprits.map(String)))
        const target = new SimulatedTarget(broker, faults)
        const outcomes = await publish(target, new PartitionSequences(1n, 0), recordsOf(values), 60_000)
        const expected = values.map((_, n) => {
          const first = culprits.filter((culprit) => culprit % 3 === n % 3 && culprit <= n).sort((a, b) => a - b)[0]
          return first === undefined ? 'acked' : first === n ? 'refused' : 'held'
        })
        expect(outcomes.map((outcome) => outcome.status)).toEqual(expected)
        expect(broker.log).toEqual(values.filter((_, n) => expected[n] === 'acked'))
        expect(new Set(target.requests.map(({ epoch }) => epoch))).toEqual(new Set([0]))
      }),
      { numRuns: 200 },
    )
  })

  it('asks for a new producer when a first batch of an epoch is out of order, instead of trying for ever', async () => {
    const broker = new SimulatedBroker()
    broker.write({ epoch: 9, sequence: 0, bytes: '', values: ['of somebody else'] })
    const [outcome] = await publish(new SimulatedTarget(broker, []), new PartitionSequences(1n, 0), recordsOf(['a']))
    expect(outcome).toMatchObject({ status: 'failed', code: 'TRANSPORT_FAILED' })
  })
})

describe('delivery to several brokers', () => {
  it('does not let a silent one keep the others from what they have to write', async () => {
    const order: string[] = []
    const released = Promise.withResolvers<void>()
    const target: DeliveryTarget = {
      known: () => ({ kind: 'known', topicId: 'id', leaders: [1, 2] }),
      forget: () => {},
      refresh: async () => {},
      async produce(nodeId, batches) {
        if (nodeId === 1) {
          await released.promise
          order.push('silent')
          return 'noAnswer'
        }
        await Promise.resolve()
        order.push('written')
        // Three batches of the healthy one pass while the other is waited for.
        if (order.length === 3) released.resolve()
        return batches.map(({ topic, partition }) => ({ topic, partition, errorCode: 0, baseOffset: 0n }))
      },
    }
    const sequences = new PartitionSequences(1n, 0)
    const records = recordsOf(['0', '1', '2', '3'], 4)
    const outcomes = new Array<PublishOutcome>(records.length)
    const queues = [[0], [1, 2, 3]].map((indexes, partition) => {
      const common = { topic: 't', limits: new BatchLimits(1), compression: 'none', out: new RecordWriter(64) } as const
      return new PartitionQueue({ ...common, partition, records, indexes, outcomes, sequences })
    })
    const common = { clock: simulatedClock(), logger: silentLogger, attemptTimeoutMs: 1_000 }
    const delivery = new Delivery(queues, { target, patienceMs: () => 10, ...common })
    // The silent broker goes on being silent.
    await delivery.run()
    expect(order.slice(0, 3)).toEqual(['written', 'written', 'written'])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['failed', 'acked', 'acked', 'acked'])
    expect(delivery.silent).toEqual([queues[0]])
  })

  const targetOf = (produce: DeliveryTarget['produce']): DeliveryTarget => ({
    known: () => ({ kind: 'known', topicId: 'id', leaders: [1, 2] }),
    forget: () => {},
    refresh: async () => {},
    produce,
  })
  const acked: DeliveryTarget['produce'] = async (_, batches) =>
    batches.map(({ topic, partition }) => ({ topic, partition, errorCode: 0, baseOffset: 0n }))

  /** Two partitions, each led by a broker of its own, with two records each. */
  function twoPartitions(produce: DeliveryTarget['produce'], records = recordsOf(['0', '1', '2', '3'], 4)) {
    const outcomes = new Array<PublishOutcome>(records.length)
    const sequences = new PartitionSequences(1n, 0)
    const queues = [
      [0, 1],
      [2, 3],
    ].map((indexes, partition) => {
      const common = {
        topic: 't',
        limits: new BatchLimits(1_000),
        compression: 'none',
        out: new RecordWriter(64),
      } as const
      return new PartitionQueue({ ...common, partition, records, indexes, outcomes, sequences })
    })
    const common = { clock: simulatedClock(), logger: silentLogger, attemptTimeoutMs: 1_000 }
    return { outcomes, delivery: new Delivery(queues, { target: targetOf(produce), patienceMs: () => 10, ...common }) }
  }

  it('fails the partition of a record that throws when it is written, and no other', async () => {
    const records = recordsOf(['0', '1', '2', '3'], 4)
    const broken: OutgoingRecord = {
      ...(records[1] as OutgoingRecord),
      writeTo() {
        throw new Error('a fault of the record')
      },
    }
    const { outcomes, delivery } = twoPartitions(acked, records.with(1, broken))
    await delivery.run()
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['failed', 'failed', 'acked', 'acked'])
    expect(delivery.producerUsable).toBe(true)
  })

  it('rejects where it breaks off, after what is under way has ended, and nothing is left to reject unheard', async () => {
    const unheard: unknown[] = []
    const listen = (error: unknown) => unheard.push(error)
    process.on('unhandledRejection', listen)
    try {
      const underWay = Promise.withResolvers<void>()
      const { outcomes, delivery } = twoPartitions(async (nodeId, batches, timeoutMs) => {
        if (nodeId === 1) throw new Error('a fault of the target')
        await underWay.promise
        return acked(nodeId, batches, timeoutMs)
      })
      const ended = delivery.run().then(
        () => 'resolved',
        (error: Error) => error.message,
      )
      const pending = new Promise((resolve) => setImmediate(() => resolve('pending')))
      expect(await Promise.race([ended, pending])).toBe('pending')
      underWay.resolve()
      expect(await ended).toBe('a fault of the target')
      expect(outcomes.slice(2).map((outcome) => outcome.status)).toEqual(['acked', 'acked'])
      await new Promise((resolve) => setImmediate(resolve))
      expect(unheard).toEqual([])
    } finally {
      process.off('unhandledRejection', listen)
    }
  })
})
