import { isOnceboxError, type Logger, OnceboxError } from '@oncebox/core'
import type { KafkaTransport } from '@oncebox/kafka'
import type { Publisher } from '@oncebox/transport'
import type { OpenDatabase } from './database.js'
import { UsageError } from './failure.js'
import { installed } from './installed.js'
import type { SaslChoice, TransportChoice } from './transportChoice.js'

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
  const where =
    choice.name === 'pg-boss'
      ? `pg-boss in the database at ${database.address}`
      : `Kafka at ${choice.brokers.join(', ')}`
  return connected(await createPublisher(choice, database, logger), where)
}

/**
 * The same for what does more with a Kafka than publish.
 *
 * @throws UsageError where the choice is another transport than `kafka`, and as `openPublisher`.
 */
export async function openKafka(choice: TransportChoice, logger: Logger): Promise<KafkaTransport> {
  if (choice.name !== 'kafka') {
    throw new UsageError(
      `this works with --transport kafka, not ${choice.name}`,
      'Give --brokers or set KAFKA_BROKERS.',
    )
  }
  const { kafka } = await installed(() => import('@oncebox/kafka'))
  return connected(kafka(kafkaSettings(choice, logger)), `Kafka at ${choice.brokers.join(', ')}`)
}

/** Connects, or closes again and says who could not be reached. */
async function connected<P extends Publisher>(publisher: P, where: string): Promise<P> {
  try {
    await publisher.connect()
    return publisher
  } catch (error) {
    await publisher.close()
    if (!isOnceboxError(error, 'TRANSPORT_UNREACHABLE')) throw error
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
    ...(sasl === null ? {} : login(sasl)),
  }
}

function login({ inTheClear, ...sasl }: SaslChoice) {
  return { sasl, ...(inTheClear ? { allowPlaintextSasl: true } : {}) }
}
