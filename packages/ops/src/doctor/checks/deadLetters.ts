import { counted, named, schemaFlag, shellWord } from '../../wording.js'
import { defineCheck } from '../check.js'

export const deadLetters = defineCheck({
  name: 'no dead letters wait',
  needs: ['schema', 'consumers'],
  why: 'Their effects did not happen; with the policy park, later messages of their keys wait behind them.',
  judge({ schema, consumers }) {
    return consumers
      .filter((consumer) => consumer.deadLetters > 0)
      .map(({ group, deadLetters, partitions }) => {
        const topics = [...new Set(partitions.filter((one) => one.deadLetters > 0).map((one) => one.topic))].sort()
        const flag = schemaFlag(schema)
        return {
          code: 'DEAD_LETTERS',
          what: `Group ${JSON.stringify(group)} gave up on ${counted(deadLetters, 'message')} of ${named(topics)}.`,
          next: `Read why with "oncebox dead list${flag}" and "oncebox dead show${flag} NUMBER", and mend it; then "oncebox dead retry${flag} --group ${shellWord(group)} --yes", or discard them.`,
        }
      })
  },
})
