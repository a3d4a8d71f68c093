import type { Publisher, PublishOutcome } from '@oncebox/transport'
import { leaseLost } from './cursor.js'
import type { Entry } from './entry.js'
import type { Lease } from './lease.js'
import type { Partitions, TopicState } from './partitions.js'
import { publishInSpan } from './publishSpan.js'

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
  const unassigned = entries.filter((entry) => !entry.assigned)
  if (unassigned.length > 0) {
    const states = await partitions.resolveAll(new Set(unassigned.map((entry) => entry.topic)))
    for (const entry of unassigned) {
      const state = states.get(entry.topic) as TopicState
      if ('partitions' in state) entry.assign(state.partitions)
      else trouble.set(entry.topic, state)
    }
  }
  const sendable = trouble.size === 0 ? entries : entries.filter((entry) => !trouble.has(entry.topic))
  if (!lease.valid) throw leaseLost(lease)
  const sent =
    sendable.length === 0 ? [] : await publishInSpan(sendable, publisher.name, () => publisher.publish(sendable))
  if (trouble.size === 0) return sent
  let next = 0
  return entries.map((entry): PublishOutcome => {
    const state = trouble.get(entry.topic)
    if (state !== undefined && 'status' in state) return state
    return sent[next++] ?? { status: 'failed', code: 'TRANSPORT_FAILED', reason: 'no outcome' }
  })
}
