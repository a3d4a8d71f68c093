import { OnceboxError } from '@oncebox/core'
import { PgBoss, policies } from 'pg-boss'
import { failureCode, transportError } from './failures.js'
import type { Settings } from './options.js'
import { type BossDatabase, poolDatabase } from './poolDatabase.js'
import { queueName } from './queueName.js'

/** The largest value of a Postgres integer: as seconds 68 years, as attempts for ever. */
const noLimit = 2_147_483_647

/** pg-boss, started when first needed and shared by the publisher and the subscriber of one `pgBoss()`. */
export interface BossConnection {
  /** Starts pg-boss (which makes or migrates its schema) and makes the declared queues. @throws OnceboxError */
  started(): Promise<RunningBoss>
  /** Makes the queues of a declared topic that are not there. */
  createQueues(topic: string): Promise<void>
  close(): Promise<void>
}

export interface RunningBoss {
  readonly boss: PgBoss
  readonly db: BossDatabase
}

export function bossConnection(settings: Settings): BossConnection {
  let starting: Promise<RunningBoss> | undefined
  let closed = false

  async function start(): Promise<RunningBoss> {
    const boss = makeBoss(settings)
    boss.on('error', (error) => {
      settings.logger.warn({ code: failureCode(error) }, 'pg-boss reports an error of its upkeep')
    })
    boss.on('warning', (warning) => settings.logger.debug({ warning: warning.message }, 'pg-boss warns'))
    try {
      await boss.start()
      for (const topic of settings.topics.keys()) await makeQueues(boss, settings, topic)
    } catch (error) {
      await boss.stop({ graceful: false }).catch((stopError: unknown) => {
        settings.logger.debug({ code: failureCode(stopError) }, 'pg-boss did not stop cleanly after a failed start')
      })
      if (error instanceof OnceboxError) throw error
      throw transportError('pg-boss did not start', error)
    }
    return { boss, db: boss.getDb() as BossDatabase }
  }

  const started = async () => {
    if (closed) throw new OnceboxError('TRANSPORT_FAILED', 'The transport is closed', { next: 'Make a new one.' })
    starting ??= start().catch((error: unknown) => {
      starting = undefined
      throw error
    })
    return starting
  }

  return {
    started,
    async createQueues(topic) {
      const { boss } = await started()
      try {
        await makeQueues(boss, settings, topic)
      } catch (error) {
        if (error instanceof OnceboxError) throw error
        throw transportError(`The queues of topic ${topic} could not be made`, error)
      }
    },
    async close() {
      closed = true
      const running = starting
      starting = undefined
      if (running === undefined) return
      try {
        const { boss } = await running
        await boss.stop({ graceful: false })
      } catch (error) {
        settings.logger.debug({ code: failureCode(error) }, 'pg-boss did not stop cleanly')
      }
    },
  }
}

function makeBoss(settings: Settings): PgBoss {
  return new PgBoss({
    ...(settings.pool === undefined ? ownPool(settings) : { db: poolDatabase(settings.pool, settings.answerMs) }),
    schema: settings.schema,
    schedule: false,
    // Upkeep finds the jobs of dead workers, so it runs every second; the instances share one claim in the database.
    superviseIntervalSeconds: 1,
    monitorIntervalSeconds: 1,
    maintenanceIntervalSeconds: Math.min(60, settings.keepCompletedSeconds),
  })
}

/** For the pg pool that pg-boss makes: what its types do not know goes on to it, too. */
function ownPool({ connectionString, answerMs }: Settings) {
  return {
    connectionString: connectionString as string,
    application_name: 'oncebox-pg-boss',
    max: 5,
    connectionTimeoutMillis: 5_000,
    query_timeout: answerMs,
  }
}

async function makeQueues(boss: PgBoss, settings: Settings, topic: string): Promise<void> {
  const kept = {
    retryLimit: noLimit,
    retryDelay: 0,
    expireInSeconds: 86_400,
    retentionSeconds: noLimit,
    deleteAfterSeconds: settings.keepCompletedSeconds,
    warningQueueSize: noLimit,
  }
  for (const group of settings.topics.get(topic) ?? []) {
    const name = queueName(topic, group)
    const [present] = await boss.getQueues([name])
    if (present === undefined) await boss.createQueue(name, { ...kept, policy: policies.key_strict_fifo })
    else if (present.policy !== policies.key_strict_fifo) {
      throw new OnceboxError('INVALID_SETTING', `The queue ${name} exists with the policy ${present.policy}`, {
        next: 'Delete that queue, or give the transport a schema of its own.',
      })
    } else if (
      present.retentionSeconds !== noLimit ||
      present.retryLimit !== noLimit ||
      present.deleteAfterSeconds !== settings.keepCompletedSeconds
    ) {
      await boss.updateQueue(name, kept)
    }
  }
}
