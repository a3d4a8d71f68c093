import { OnceboxError } from '@oncebox/core'
import type { Subscriber, Subscription } from '@oncebox/transport'
import type { BossConnection } from './bossConnection.js'
import { transportError } from './failures.js'
import type { Settings } from './options.js'
import { queueName } from './queueName.js'
import { workTopic } from './topicWorker.js'

/**
 * A worker for each topic. Consumers of one group share a queue, so all of them have the topic's one partition at once;
 * what keeps a key in order is that pg-boss hands out one job of it at a time.
 */
export function bossSubscriber(settings: Settings, connection: BossConnection): Subscriber {
  const subscriptions = new Set<Subscription>()

  return {
    name: 'pg-boss',
    async subscribe(options, handler) {
      const queues = options.topics.map((topic) => {
        if (!(settings.topics.get(topic) ?? []).includes(options.group)) {
          throw new OnceboxError('TOPIC_MISSING', `Group ${options.group} is not declared for topic ${topic}`, {
            next: 'Name it in the topics of pgBoss(), here and at the relay, and start the relay with it.',
          })
        }
        return [topic, queueName(topic, options.group)] as const
      })
      const running = await connection.started()
      try {
        const present = new Set(
          (await running.boss.getQueues(queues.map(([, queue]) => queue))).map(({ name }) => name),
        )
        for (const [topic, queue] of queues) if (!present.has(queue)) await connection.createQueues(topic)
      } catch (error) {
        throw error instanceof OnceboxError ? error : transportError('The queues could not be read', error)
      }
      const workers = queues.map(([topic, queue]) => workTopic(running, topic, queue, options, handler))
      const ended = Promise.all(workers.map((worker) => worker.ended))
      let stopping: Promise<void> | undefined
      const subscription: Subscription = {
        stop({ deadlineMs }) {
          stopping ??= (async () => {
            for (const worker of workers) worker.finish()
            if (!(await within(ended, deadlineMs))) await Promise.all(workers.map((worker) => worker.abort()))
            subscriptions.delete(subscription)
          })()
          return stopping
        },
      }
      subscriptions.add(subscription)
      return subscription
    },
    // Waiting jobs never expire.
    retentionMs: async () => -1,
    async close() {
      await Promise.all([...subscriptions].map((subscription) => subscription.stop({ deadlineMs: 0 })))
      await connection.close()
    },
  }
}

/** Whether `work` ends within `ms`. */
async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  try {
    return await Promise.race([work.then(() => true), deadline])
  } finally {
    clearTimeout(timer)
  }
}
