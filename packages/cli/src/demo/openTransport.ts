import type { Publisher, Subscriber } from '@oncebox/transport'
import type { ServiceSetup } from './serviceSetup.js'

/** A consumer that was killed counts as dead after so long; Kafka's own default refuses less than this. */
const sessionTimeoutMs = 6_000

/** The transport of this run, for one service. The caller closes it. Loads only the client that is needed. */
export async function openTransport(
  setup: Pick<ServiceSetup, 'transport' | 'topic' | 'group'>,
): Promise<Publisher & Subscriber> {
  const { transport, topic, group } = setup
  if (transport.kind === 'pg-boss') {
    const { pgBoss } = await import('@oncebox/pg-boss')
    return pgBoss({ connectionString: transport.url, topics: { [topic]: [group] }, heartbeatSeconds: 2 })
  }
  const { kafka } = await import('@oncebox/kafka')
  return kafka({ brokers: transport.brokers, sessionTimeoutMs })
}
