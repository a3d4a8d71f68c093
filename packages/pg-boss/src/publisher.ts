import { localIds, OnceboxError } from '@oncebox/core'
import { type OutgoingRecord, type PartResult, type Publisher, splitRefused } from '@oncebox/transport'
import type { JobInsert } from 'pg-boss'
import type { BossConnection, RunningBoss } from './bossConnection.js'
import { insertFailure, transportError } from './failures.js'
import { encodeJob, recordBytes, singletonKey } from './job.js'
import type { Settings } from './options.js'
import { queueName } from './queueName.js'

/** `acked` means committed must mean durable, also where the database or role says otherwise. */
const durableCommit = `
  SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'`

/** One transaction for each part of a call, with every group's jobs: a group never gets what another does not. */
export function bossPublisher(settings: Settings, connection: BossConnection): Publisher {
  let inFlight: Promise<unknown> = Promise.resolve()

  return {
    name: 'pg-boss',
    async connect() {
      await connection.started()
    },
    async partitions(topic) {
      const groups = settings.topics.get(topic) ?? []
      // Undeclared is not missing: nothing that happens at the database would mend it, and `publish` says so by name.
      if (groups.length === 0) return 0
      const { boss } = await connection.started()
      try {
        const queues = await boss.getQueues(groups.map((group) => queueName(topic, group)))
        return queues.length === groups.length ? 0 : null
      } catch (error) {
        throw transportError(`The queues of topic ${topic} could not be read`, error)
      }
    },
    async createTopic(topic) {
      if ((settings.topics.get(topic) ?? []).length === 0) throw withoutGroup(topic)
      await connection.createQueues(topic)
    },
    async publish(records) {
      const result = splitRefused(records, (part) => sendPart(settings, connection, part))
      inFlight = result
      return result
    },
    async close() {
      await inFlight
      await connection.close()
    },
  }
}

async function sendPart(
  settings: Settings,
  connection: BossConnection,
  part: readonly OutgoingRecord[],
): Promise<PartResult> {
  for (const record of part) {
    if ((settings.topics.get(record.topic) ?? []).length === 0) {
      return { refused: { code: 'TOPIC_WITHOUT_GROUP', reason: withoutGroup(record.topic).message } }
    }
    if (recordBytes(record) > settings.maxRecordBytes) {
      return { refused: { code: 'RECORD_TOO_LARGE', reason: `above ${settings.maxRecordBytes} bytes` } }
    }
  }
  let running: RunningBoss
  try {
    running = await connection.started()
  } catch (error) {
    const code = error instanceof OnceboxError ? error.code : 'TRANSPORT_FAILED'
    return { outcomes: part.map(() => ({ status: 'failed', code, reason: 'pg-boss did not start' })) }
  }
  try {
    await insertAll(settings, running, part)
  } catch (error) {
    const { kind, code, reason } = insertFailure(error)
    if (kind === 'refused') return { refused: { code, reason } }
    const status = kind === 'failed' ? 'failed' : 'refused'
    return { outcomes: part.map(() => ({ status, code, reason })) }
  }
  return { outcomes: part.map(() => ({ status: 'acked', partition: 0, offset: null })) }
}

async function insertAll(
  settings: Settings,
  { boss, db }: RunningBoss,
  part: readonly OutgoingRecord[],
): Promise<void> {
  const at = Date.now()
  const jobsByQueue = new Map<string, JobInsert[]>()
  for (const record of part) {
    // Jobs of one statement tie on their creation time, and pg-boss then orders by id: ids are drawn in record order.
    const id = localIds.next()
    const job: JobInsert = {
      id,
      singletonKey: singletonKey(record.key, id),
      data: encodeJob(record, at),
      // The queue's own setting refuses less than ten seconds, a job's does not.
      heartbeatSeconds: settings.heartbeatSeconds,
    }
    for (const group of settings.topics.get(record.topic) ?? []) {
      const name = queueName(record.topic, group)
      const jobs = jobsByQueue.get(name)
      if (jobs === undefined) jobsByQueue.set(name, [job])
      else jobs.push(job)
    }
  }
  const transaction = await db.beginTransaction()
  try {
    await transaction.db.executeSql(durableCommit)
    for (const [name, jobs] of jobsByQueue) {
      const ids = await boss.insert(name, jobs, { db: transaction.db, returnId: true })
      // pg-boss inserts with ON CONFLICT DO NOTHING, and joins the queue: either could leave a job out silently.
      if ((ids?.length ?? 0) !== jobs.length) throw new Error('pg-boss left out a job')
    }
    await transaction.commit()
  } catch (error) {
    await transaction.rollback()
    throw error
  }
}

function withoutGroup(topic: string): OnceboxError {
  return new OnceboxError('TOPIC_WITHOUT_GROUP', `No consumer group is declared for topic ${topic}`, {
    next: `Declare its groups: pgBoss({ topics: { ${JSON.stringify(topic)}: ['group'] } }).`,
  })
}
