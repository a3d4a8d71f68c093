import type { Publisher, PublishOutcome } from '@oncebox/transport'
import { leaseLost } from './cursor.js'
import type { Entry } from './entry.js'
import type { Lease } from './lease.js'
import type { Partitions, TopicState } from './partitions.js'

/**
 * One publish: finds each record's partition, checks that the lease stands, and sends. Records of topics that are not
 * there, or cannot be looked up, are answered for without being sent.
 *
 * @throws OnceboxError `LEASE_LOST`; the driver's error when the database is needed and away.
 */
export async function deliver(
  entries: readonly Entry[],
  parts: { readonly publisher: Publisher; readonly partitions: Partitions; readonly lease: Lease },
): Promise<PublishOutcome[]> {
  const { publisher, partitions, lease } = parts
  const trouble = new Map<string, TopicState>()
  for (const entry of entries) {
    if (entry.assigned || trouble.has(entry.topic)) continue
    const state = await partitions.resolve(entry.topic)
    if ('partitions' in state) {
      entry.assign(state.partitions)
    } else {
      trouble.set(entry.topic, state)
    }
  }
  const sendable = trouble.size === 0 ? entries : entries.filter((entry) => !trouble.has(entry.topic))
  if (!lease.valid) throw leaseLost(lease)
  const sent = sendable.length === 0 ? [] : await publisher.publish(sendable)
  if (trouble.size === 0) return sent
  let next = 0
  return entries.map((entry): PublishOutcome => {
    const state = trouble.get(entry.topic)
    if (state !== undefined && 'status' in state) return state
    return sent[next++] ?? { status: 'failed', code: 'TRANSPORT_FAILED', reason: 'no outcome' }
  })
}
