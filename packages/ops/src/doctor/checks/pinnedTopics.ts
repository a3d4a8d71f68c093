import { counted, schemaFlag, shellWord } from '../../wording.js'
import { defineCheck } from '../check.js'

export const pinnedTopics = defineCheck({
  name: 'topics have the partitions that their keys are spread over',
  needs: ['schema', 'usedTopics', 'topics'],
  why: 'Partitions that came later get no message with a key; the others carry all of them.',
  judge({ schema, usedTopics, topics }) {
    return usedTopics.flatMap(({ topic, pinned }) => {
      const partitions = topics.get(topic)?.partitions ?? 0
      if (pinned === null || partitions <= pinned) return []
      const flags = `${shellWord(topic)}${schemaFlag(schema)}`
      return [
        {
          code: 'TOPIC_GROWN' as const,
          severity: 'advice' as const,
          what: `Topic ${JSON.stringify(topic)} has ${partitions} partitions, and its keys are spread over ${pinned}: ${counted(partitions - pinned, 'partition')} without keys.`,
          next: `Pause it: "oncebox pause --topic ${flags}". When "oncebox lag" says that its groups have read everything: "oncebox topics repin ${flags} --yes". Then "oncebox resume --topic ${flags}".`,
        },
      ]
    })
  },
})
