import type { OutgoingRecord, PublishOutcome } from '@oncebox/transport'
import { describe, expect, it } from 'vitest'
import { BatchLimits } from '../src/batchLimits.js'
import { PartitionQueue } from '../src/partitionQueue.js'
import { RecordWriter } from '../src/recordWriter.js'
import { PartitionSequences } from '../src/sequences.js'

const tooLarge = 10
const topicTakes = 1_000
const records: OutgoingRecord[] = Array.from({ length: 40 }, (_, at) => ({
  topic: 't',
  partition: 0,
  key: Buffer.from(`k${at}`),
  value: Buffer.alloc(at === 17 ? 1_500 : 100),
  headers: [],
}))

/** Publishes all records to a broker that takes batches of a thousand bytes. Resolves to how many it refused. */
function refusals(limits: BatchLimits, nowMs: number): number {
  const outcomes = new Array<PublishOutcome>(records.length)
  const queue = new PartitionQueue({
    topic: 't',
    partition: 0,
    records,
    indexes: records.map((_, index) => index),
    outcomes,
    sequences: new PartitionSequences(7n, 0),
    limits,
    compression: 'none',
    out: new RecordWriter(64),
  })
  let refused = 0
  for (let batch = queue.batch(nowMs); batch !== null; batch = queue.batch(nowMs)) {
    const takes = batch.bytes.length <= topicTakes
    if (!takes) refused++
    queue.settle(takes ? 0 : tooLarge, 0n)
  }
  expect(outcomes.map(({ status }) => status)).toEqual(
    records.map(({ value }) => ((value?.length ?? 0) > topicTakes ? 'refused' : 'acked')),
  )
  return refused
}

describe('a topic that takes smaller batches than were set', () => {
  it('is found out once: later calls split nothing, and a record that is too large costs one request', () => {
    const limits = new BatchLimits(100_000)
    expect(refusals(limits, 0)).toBeGreaterThan(1)
    expect(refusals(limits, 1)).toBe(1)
    expect(limits.of('other', 1)).toBe(100_000)
  })

  it('is tried again after a while, because it may take more by then', () => {
    const limits = new BatchLimits(100_000)
    limits.refused('t', 4_000, 0)
    limits.refused('t', 9_000, 1)
    expect(limits.of('t', 600_000)).toBe(2_000)
    expect(limits.of('t', 600_001)).toBe(100_000)
  })
})
