import { type Command, InvalidArgumentError, Option } from 'commander'

export const saslMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

export interface TransportFlags {
  readonly transport?: 'kafka' | 'kafkajs' | 'pg-boss'
  readonly brokers?: readonly string[]
  readonly tls?: boolean
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly saslMechanism?: (typeof saslMechanisms)[number]
  readonly saslUsername?: string
  readonly allowPlaintextSasl?: boolean
  /** The groups of each topic: queues to write to where the transport has no topics of its own. */
  readonly topic?: Readonly<Record<string, readonly string[]>>
}

/** Adds what names the transport and how to reach it. The SASL password comes from the environment only. */
export function withTransportFlags(command: Command): Command {
  return command
    .optionsGroup('Transport:')
    .addOption(
      new Option('--transport <name>', 'where messages go (default: kafka where brokers are given)')
        .choices(['kafka', 'kafkajs', 'pg-boss'])
        .env('ONCEBOX_TRANSPORT'),
    )
    .addOption(
      new Option('--brokers <list>', 'host:port of Kafka brokers, with commas')
        .env('KAFKA_BROKERS')
        .argParser(parseBrokers),
    )
    .option(
      '--topic <name=groups>',
      'pg-boss: a topic and its consumer groups, orders=billing,audit; repeat it',
      parseTopic,
    )
    .optionsGroup('Kafka security:')
    .option('--tls', 'TLS with the authorities that the system trusts')
    .addOption(new Option('--tls-ca <file>', 'TLS with this authority (PEM)').env('KAFKA_TLS_CA'))
    .addOption(new Option('--tls-cert <file>', 'client certificate (PEM)').env('KAFKA_TLS_CERT'))
    .addOption(new Option('--tls-key <file>', 'key of the client certificate (PEM)').env('KAFKA_TLS_KEY'))
    .addOption(
      new Option('--sasl-mechanism <name>', 'password from KAFKA_SASL_PASSWORD')
        .choices(saslMechanisms)
        .env('KAFKA_SASL_MECHANISM'),
    )
    .addOption(new Option('--sasl-username <name>', 'SASL user').env('KAFKA_SASL_USERNAME'))
    .option('--allow-plaintext-sasl', 'send the password of SASL plain without TLS, where the network is trusted')
}

function parseBrokers(text: string): string[] {
  const brokers = text.split(',').map((broker) => broker.trim())
  for (const broker of brokers) {
    const port = Number(/^[^\s/@]+:(\d{1,5})$/.exec(broker)?.[1])
    if (!(port >= 1 && port <= 65_535)) throw new InvalidArgumentError('host:port,host:port is needed.')
  }
  return brokers
}

function parseTopic(text: string, sofar: Record<string, string[]> = {}): Record<string, string[]> {
  const [topic, groups, ...rest] = text.split('=')
  const names = (groups ?? '').split(',').map((name) => name.trim())
  if (topic === undefined || topic === '' || rest.length > 0 || names.some((name) => name === '')) {
    throw new InvalidArgumentError('topic=group,group is needed.')
  }
  return { ...sofar, [topic]: [...(sofar[topic] ?? []), ...names] }
}
