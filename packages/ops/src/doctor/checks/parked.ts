import { tables } from '@oncebox/schema'
import { counted, createTopicCommand, setTopicCommand, usualBytes } from '../../wording.js'
import { defineCheck } from '../check.js'

export const parked = defineCheck({
  name: 'no key is held back by the relay',
  needs: ['schema', 'parked', 'pauses'],
  why: 'These messages, and every later one of their keys, reach nobody until the cause is gone.',
  judge({ schema, parked: all, pauses }) {
    // Those of a paused topic are told of with the pause.
    const parked = all.filter(
      ({ topic, reason }) => reason !== 'PAUSED' || !pauses.some((pause) => pause.topic === topic),
    )
    return parked.map(({ topic, reason, keys, messages, firstKeys, firstId }) => {
      const named = firstKeys.map((key) => (key === null ? 'no key' : JSON.stringify(key))).join(', ')
      const more = keys > firstKeys.length ? ', …' : ''
      return {
        code: 'KEYS_PARKED',
        what: `Topic ${JSON.stringify(topic)}: ${counted(keys, 'key')} with ${counted(messages, 'message')} held back, reason ${reason}: ${named}${more}.`,
        next: `${remedy(topic, reason)} The relay tries again by itself, in order; the first message is ${firstId}, the others are in ${tables(schema).parked}.`,
      }
    })
  },
})

/** By the relay's code for the refusal. */
function remedy(topic: string, reason: string): string {
  const name = JSON.stringify(topic)
  switch (reason) {
    case 'TOPIC_MISSING':
      return `Create the topic: "${createTopicCommand(topic)}"; or stop the relay that holds the lane, and start it with --create-topics N.`
    case 'TOPIC_WITHOUT_GROUP':
      return `Declare a consumer group for the topic ${name} in the transport's settings.`
    case 'NOT_AUTHORIZED':
      return `Allow the relay's user to write to the topic ${name}.`
    case 'PAUSED':
      return `The topic ${name} was resumed: a running relay publishes them.`
    case 'RECORD_TOO_LARGE':
      return `Let the topic take larger messages: "${setTopicCommand(topic, 'max.message.bytes', usualBytes)}".`
    default:
      return "Read in the relay's log why it was refused, and remove the cause."
  }
}
