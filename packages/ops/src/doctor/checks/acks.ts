import { defineCheck, type Found } from '../check.js'

export const acks = defineCheck({
  name: 'acks from all replicas are possible, and worth something',
  needs: ['topics'],
  why: 'The relay counts a message as published when all replicas in sync have it.',
  judge({ topics }) {
    return [...topics.values()].flatMap(({ topic, replicas, inSync, minInSync }): Found[] => {
      if (minInSync === null) return []
      const name = JSON.stringify(topic)
      if (inSync < Math.min(minInSync, replicas)) {
        const what = `Topic ${name} wants ${minInSync} replicas in sync (min.insync.replicas), and a partition has ${inSync} of ${replicas}: every write to it is refused.`
        return [{ code: 'ACKS_IMPOSSIBLE', what, next: 'Bring the missing brokers back.' }]
      }
      const next =
        'Three replicas and min.insync.replicas=2 are usual (kafka-reassign-partitions.sh, kafka-configs.sh).'
      if (replicas < minInSync) {
        // Seen on Kafka 4.1: acked, with the one replica there is.
        const what = `Topic ${name} wants ${minInSync} replicas in sync and has ${replicas}: Kafka 4 takes those it has for enough, brokers before it refuse every write.`
        return [{ code: 'ACKS_WEAK', what, next }]
      }
      if (replicas > 1 && minInSync > 1) return []
      const what = `Topic ${name} has ${replicas} replicas and takes a write for safe with ${minInSync}: one lost disk can lose it.`
      return [{ code: 'ACKS_WEAK', severity: 'advice', what, next }]
    })
  },
})
