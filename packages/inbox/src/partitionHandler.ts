import { randomUUID } from 'node:crypto'
import type { BatchHandler, TopicPartition } from '@oncebox/transport'
import { carefulFrom } from './caution.js'
import type { Counters } from './events.js'
import { forgetHolders, holdPartitions, noteInHand, releasePartitions } from './heldPartitions.js'
import { storedOffsets } from './offsets.js'
import { type BatchParts, processBatch } from './processBatch.js'

/** How long a database that is away may hold up the giving back of partitions. */
const releaseMs = 2_000

/** What a consumer does for its subscriber: goes on where the database says, handles batches, marks what it holds. */
export function createPartitionHandler<Trx>(parts: BatchParts<Trx>, counters: Counters): BatchHandler {
  const { settings, tables, report, caution, reached } = parts
  const { db, group, clock, batchMessages } = settings
  /** Tells this consumer's marks on partitions from those of others. */
  const holder = randomUUID()
  /** Where partitions were told to go on, until their first batch has shown whether they did. */
  const seeks = new Map<string, bigint>()
  let assigning: Promise<unknown> = Promise.resolve()

  async function takeOver(partitions: readonly TopicPartition[]): Promise<Map<TopicPartition, string>> {
    const { offsets, unfinished } = await db.transaction(async ({ tx }) => ({
      offsets: await storedOffsets(tx, tables, group, partitions),
      unfinished: await holdPartitions(tx, tables, group, holder, partitions),
    }))
    for (const { partition, inHand } of unfinished) {
      caution.begin(keyOf(partition), carefulFrom(clock.now(), batchMessages, inHand))
      report.careful(partition, inHand.length)
    }
    for (const partition of partitions) {
      reached.takeOver(partition, offsets.get(partition) ?? null)
      const begun = reached.begunAt(partition)
      if (!offsets.has(partition) && begun !== undefined) offsets.set(partition, begun)
    }
    for (const [partition, offset] of offsets) seeks.set(keyOf(partition), BigInt(offset))
    return offsets
  }

  async function release(partitions: readonly TopicPartition[]): Promise<void> {
    try {
      // A mark must not be made after it was taken away.
      await assigning
      await db.transaction(({ tx }) => releasePartitions(tx, tables, group, holder, partitions))
    } catch (error) {
      // A mark that stays makes the next consumer careful, no more.
      report.marksFailed(error)
    }
  }

  return {
    assigned(partitions) {
      const assignment = takeOver(partitions)
      assigning = Promise.allSettled([assigning, assignment])
      return assignment
    },
    async batch(batch) {
      counters.add('received', batch.records.length)
      const partition = keyOf(batch)
      const seek = seeks.get(partition)
      const first = batch.records[0]?.offset ?? null
      reached.begin(batch, first)
      // The subscriber ignores offsets beyond the end, which are of an earlier topic of this name: ours begins anew.
      const overwrite = seek !== undefined && first !== null && BigInt(first) < seek
      // A message that ended a process was handed out before.
      const suspicious = batch.records.some(({ redelivered }) => redelivered !== false)
      const careful = suspicious ? caution.of(partition) : null
      const note = (inHand: readonly string[]) =>
        db.transaction(({ tx }) => noteInHand(tx, tables, group, holder, batch, inHand))
      const progress = await processBatch(parts, batch, overwrite, careful && { ...careful, note })
      if (progress.done > 0) seeks.delete(partition)
      if (caution.passed(partition, progress.done, first !== null, clock.now())) {
        await db.transaction(({ tx }) => forgetHolders(tx, tables, group, holder, batch)).catch(report.marksFailed)
      }
      return progress
    },
    async revoked(partitions) {
      for (const partition of partitions) {
        seeks.delete(keyOf(partition))
        caution.drop(keyOf(partition))
      }
      parts.suspects.clear()
      const inTime = new AbortController()
      await Promise.race([release(partitions), clock.sleep(releaseMs, inTime.signal)])
      inTime.abort()
    },
  }
}

function keyOf({ topic, topicId, partition }: TopicPartition): string {
  return JSON.stringify([topic, topicId, partition])
}
