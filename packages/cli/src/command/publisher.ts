import { isOnceboxError, type Logger, OnceboxError } from '@oncebox/core'
import type { Publisher } from '@oncebox/transport'
import type { OpenDatabase } from './database.js'
import { installed } from './installed.js'
import type { TransportChoice } from './transportChoice.js'

/**
 * Opens the chosen transport and proves that it answers. The caller closes it.
 *
 * @throws UsageError when the transport's package is not installed.
 * @throws OnceboxError `TRANSPORT_UNREACHABLE` naming host and port, and whatever else `connect` throws.
 */
export async function openPublisher(
  choice: TransportChoice,
  database: OpenDatabase,
  logger: Logger,
): Promise<Publisher> {
  const publisher = await createPublisher(choice, database, logger)
  try {
    await publisher.connect()
    return publisher
  } catch (error) {
    await publisher.close()
    if (!isOnceboxError(error, 'TRANSPORT_UNREACHABLE')) throw error
    const where =
      choice.name === 'pg-boss'
        ? `pg-boss in the database at ${database.address}`
        : `Kafka at ${choice.brokers.join(', ')}`
    throw new OnceboxError('TRANSPORT_UNREACHABLE', `Cannot reach ${where}`, {
      next: 'Check that the servers run, their addresses, and the TLS and SASL settings.',
      cause: error.cause,
    })
  }
}

async function createPublisher(choice: TransportChoice, database: OpenDatabase, logger: Logger): Promise<Publisher> {
  switch (choice.name) {
    case 'kafka': {
      const { kafka } = await installed(() => import('@oncebox/kafka'))
      return kafka(kafkaSettings(choice, logger))
    }
    case 'kafkajs': {
      const { kafkajs } = await installed(() => import('@oncebox/kafkajs'))
      return kafkajs(kafkaSettings(choice, logger))
    }
    case 'pg-boss': {
      const { pgBoss } = await installed(() => import('@oncebox/pg-boss'))
      return pgBoss({ pool: database.pool, topics: choice.topics, logger })
    }
  }
}

/** Both adapters spell these alike. */
export function kafkaSettings({ brokers, tls, sasl }: Exclude<TransportChoice, { name: 'pg-boss' }>, logger: Logger) {
  return {
    brokers,
    logger,
    ...(tls === null ? {} : { ssl: { ...tls } }),
    ...(sasl === null ? {} : { sasl }),
  }
}
