import { duration, setTopicCommand } from '../../wording.js'
import { defineCheck, type Found } from '../check.js'

export const horizon = defineCheck({
  name: 'consumers remember ids for as long as topics keep records',
  needs: ['limits', 'usedTopics', 'topics'],
  why: 'A record that comes again after its id was forgotten is refused as a dead letter, and nobody can tell whether it ran.',
  judge({ limits, usedTopics, topics }) {
    return usedTopics.flatMap(({ topic, groups }): Found[] => {
      const retentionMs = topics.get(topic)?.retentionMs ?? null
      if (groups.length === 0 || retentionMs === null) return []
      if (retentionMs !== -1 && retentionMs <= limits.horizonMs) return []
      const kept = retentionMs === -1 ? 'for ever' : `for ${duration(retentionMs / 1000)}`
      return [
        {
          code: 'RETENTION_PAST_HORIZON',
          severity: 'advice',
          what: `Topic ${JSON.stringify(topic)} keeps records ${kept}, and group ${groups.map((group) => JSON.stringify(group)).join(', ')} remembers ids for ${duration(limits.horizonMs / 1000)}.`,
          next: `Keep them shorter: "${setTopicCommand(topic, 'retention.ms', limits.horizonMs)}"; or set allowLongerRetention if that is meant.`,
        },
      ]
    })
  },
})
