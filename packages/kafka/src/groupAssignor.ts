/** A member of a group and the topics it subscribes to. */
export interface GroupMember {
  readonly memberId: string
  readonly topics: readonly string[]
}

/** Partitions by topic. */
export type MemberAssignment = ReadonlyMap<string, readonly number[]>

/**
 * Deals the partitions of all topics out, one after the other, to the members that subscribe to the topic
 * (org.apache.kafka.clients.consumer.RoundRobinAssignor). Pure; the same input gives every leader the same result.
 */
export function assignRoundRobin(
  members: readonly GroupMember[],
  partitionCounts: ReadonlyMap<string, number>,
): ReadonlyMap<string, MemberAssignment> {
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  const result = new Map(sorted.map(({ memberId }) => [memberId, new Map<string, number[]>()]))
  let turn = 0
  for (const topic of [...partitionCounts.keys()].sort()) {
    if (!sorted.some((member) => member.topics.includes(topic))) continue
    for (let partition = 0; partition < (partitionCounts.get(topic) as number); partition++) {
      let member = sorted[turn++ % sorted.length] as GroupMember
      while (!member.topics.includes(topic)) member = sorted[turn++ % sorted.length] as GroupMember
      const own = result.get(member.memberId) as Map<string, number[]>
      own.set(topic, [...(own.get(topic) ?? []), partition])
    }
  }
  return result
}
