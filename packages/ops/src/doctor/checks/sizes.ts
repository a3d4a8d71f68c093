import { setTopicCommand, usualBytes } from '../../wording.js'
import { defineCheck, type Found } from '../check.js'

/** What a record adds to payload, headers and key: the ce_* headers and the batch's own. */
const envelopeBytes = 400

export const sizes = defineCheck({
  name: 'the largest waiting message fits its topic',
  needs: ['largestMessages', 'topics'],
  why: 'Kafka refuses it, and it is held back with every later message of its key.',
  judge({ largestMessages, topics }) {
    return largestMessages.flatMap(({ topic, id, bytes }): Found[] => {
      const most = topics.get(topic)?.maxMessageBytes ?? null
      if (most === null || bytes + envelopeBytes <= most) return []
      return [
        {
          code: 'MESSAGE_TOO_LARGE',
          what: `Message ${id} waits with ${bytes} bytes, and topic ${JSON.stringify(topic)} takes ${most}.`,
          next: `Let the topic take it: "${setTopicCommand(topic, 'max.message.bytes', Math.max(usualBytes, bytes * 2))}".`,
        },
      ]
    })
  },
})
