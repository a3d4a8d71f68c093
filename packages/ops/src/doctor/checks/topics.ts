import { createTopicCommand } from '../../wording.js'
import { defineCheck } from '../check.js'

export const topics = defineCheck({
  name: 'topics exist',
  needs: ['usedTopics', 'topics'],
  why: 'Messages of a topic that does not exist are held back, and those of other topics are not.',
  judge({ usedTopics, topics }) {
    return usedTopics
      .filter(({ topic }) => !topics.has(topic))
      .map(({ topic, written, groups }) => ({
        code: 'TOPIC_MISSING',
        severity: written || groups.length > 0 ? 'problem' : 'advice',
        what: `Topic ${JSON.stringify(topic)} does not exist in Kafka; ${written ? 'messages are written for it' : groups.length > 0 ? `group ${groups.map((group) => JSON.stringify(group)).join(', ')} read it` : 'messages were written for it once'}.`,
        next: `Create it, with as many partitions as it shall have: "${createTopicCommand(topic)}"; or stop the relay that holds the lane, and start it with --create-topics N.`,
      }))
  },
})
