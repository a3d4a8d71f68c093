import { isOnceboxError } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import type { PublishOutcome } from '@oncebox/transport'
import { backoffMs } from './backoff.js'
import { copyRecord } from './copyRecord.js'
import { claimCopies, deleteCopies, type PendingCopy, putOffCopies } from './deadLetterCopies.js'
import type { Report } from './report.js'
import type { DeadLetterTopic, Settings } from './settings.js'

export interface CopyParts<Trx> {
  readonly settings: Settings<Trx>
  readonly tables: Tables
  readonly report: Report
}

const copyBackoff = { minMs: 1_000, maxMs: 60_000 }

/**
 * Sends copies of dead letters to the dead-letter topic until `ending` aborts. After the commit, and deleted only after
 * the acknowledgement: each copy comes at least once. Any number of consumers of a group do so side by side. Failures
 * are reported and tried again.
 */
export async function copyDeadLetters<Trx>(parts: CopyParts<Trx>, ending: AbortSignal): Promise<void> {
  const { settings, report } = parts
  const { deadLetterTopic, clock, redrivePollMs } = settings
  if (deadLetterTopic === null) return
  while (!ending.aborted) {
    try {
      if (await copySome(parts, deadLetterTopic)) continue
    } catch (error) {
      report.copyFailed(deadLetterTopic.topic, isOnceboxError(error) ? error.code : null, 0)
    }
    await clock.sleep(redrivePollMs, ending)
  }
}

/** Sends what is due, a little at a time; false when nothing was. */
async function copySome<Trx>(parts: CopyParts<Trx>, { topic, publisher }: DeadLetterTopic): Promise<boolean> {
  const { settings, tables, report } = parts
  const { db, group, random } = settings
  const copies = await db.transaction(({ tx }) => claimCopies(tx, tables, group))
  if (copies.length === 0) return false
  const outcomes = await published(copies, group, { topic, publisher })
  const sent = copies.filter((_, index) => outcomes[index]?.status === 'acked').map(({ number }) => number)
  const pauses = copies
    .filter((_, index) => outcomes[index]?.status !== 'acked')
    .map(({ number, failures }) => [number, backoffMs(failures + 1, copyBackoff, random())] as const)
  await db.transaction(async ({ tx }) => {
    if (sent.length > 0) await deleteCopies(tx, tables, sent)
    if (pauses.length > 0) await putOffCopies(tx, tables, pauses)
  })
  if (sent.length > 0) report.copied(topic, sent.length)
  if (pauses.length > 0) report.copyFailed(topic, codeOf(outcomes), pauses.length)
  return true
}

/** Never rejects: what cannot be sent now stays, and is tried again after its pause. */
async function published(
  copies: readonly PendingCopy[],
  group: string,
  { topic, publisher }: DeadLetterTopic,
): Promise<readonly PublishOutcome[]> {
  try {
    await publisher.connect()
    const partitions = await publisher.partitions(topic)
    if (partitions === null) return copies.map(() => ({ status: 'refused', code: 'TOPIC_MISSING', reason: '' }))
    return await publisher.publish(copies.map((copy) => copyRecord(copy, group, topic, partitions)))
  } catch (error) {
    const code = isOnceboxError(error) ? error.code : 'TRANSPORT_FAILED'
    return copies.map(() => ({ status: 'failed', code, reason: '' }))
  }
}

function codeOf(outcomes: readonly PublishOutcome[]) {
  for (const outcome of outcomes) {
    if (outcome.status === 'refused' || outcome.status === 'failed') return outcome.code
  }
  return null
}
