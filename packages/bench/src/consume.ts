import { sampleOf } from './armResult.js'
import { type Arm, interleave } from './interleave.js'
import type { SuiteResult } from './results.js'
import { runArm } from './runArm.js'
import { createTopics, withServers } from './servers.js'
import { partitions, topic } from './workload.js'

export interface ConsumeOptions {
  readonly messages: number
  readonly rounds: number
  readonly progress: (line: string) => void
}

const consumeArms = {
  kafka100: { WAY: 'kafka', BATCH: '100' },
  kafka500: { WAY: 'kafka', BATCH: '500' },
  kafka5000: { WAY: 'kafka', BATCH: '5000' },
  kafkajs500: { WAY: 'kafkajs', BATCH: '500' },
  kafkajsEachBatch: { WAY: 'eachBatch', BATCH: '0' },
} as const

/** How fast records come out of Kafka to a handler that does nothing, by transport and batch size. */
export function consume({ messages, rounds, progress }: ConsumeOptions): Promise<SuiteResult> {
  return withServers({ progress }, async ({ admin, environment }) => {
    await createTopics(admin, [topic], partitions)
    progress(`filling the topic with ${messages.toLocaleString('en')} records`)
    const own = { ...environment, MESSAGES: `${messages}` }
    await runArm('rawProduce', own)
    const arms = Object.entries(consumeArms).map(
      ([name, env]): Arm => ({
        name,
        async run() {
          const result = await runArm('consume', { ...own, ...env })
          if (result.messages !== messages) throw new Error(`received ${result.messages} records, not ${messages}`)
          return sampleOf(result)
        },
      }),
    )
    return interleave(arms, {
      suite: 'consume',
      rounds,
      progress,
      settings: { messages, payloadBytes: 200, headers: 6 },
    })
  })
}
