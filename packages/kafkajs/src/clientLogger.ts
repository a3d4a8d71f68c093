import type { Logger } from '@oncebox/core'
import kafkajs, { type logCreator } from 'kafkajs'

const { logLevel } = kafkajs

/** What of kafkajs's log fields is passed on: nothing that could hold a payload, a key or a stack that quotes one. */
const safeFields = ['broker', 'groupId', 'memberId', 'topic', 'partition', 'retryCount', 'retryTime', 'generationId']

/** Passes kafkajs's log lines to a `Logger`. Its errors are warnings here: it retries, or the caller gets an outcome. */
export function clientLogger(logger: Logger): logCreator {
  return () =>
    ({ namespace, level, log }) => {
      const fields: Record<string, unknown> = { client: 'kafkajs', part: namespace }
      for (const name of safeFields) if (log[name] !== undefined) fields[name] = log[name]
      if (level === logLevel.ERROR || level === logLevel.WARN) logger.warn(fields, log.message)
      else logger.debug(fields, log.message)
    }
}
