import type { Logger } from '@oncebox/core'
import type { Inspector } from '@oncebox/transport'
import type { TransportFlags } from '../flags/transportFlags.js'
import { installed } from './installed.js'
import { kafkaSettings } from './publisher.js'
import { chooseTransport } from './transportChoice.js'

/**
 * What can ask the brokers that the flags name, through the transport that they name; null where they name no brokers, or a
 * transport without. The caller closes it. Whether the brokers answer is seen when they are asked.
 *
 * @throws UsageError as `chooseTransport`, and when the transport is not installed.
 */
export async function openInspector(flags: TransportFlags, logger: Logger): Promise<Inspector | null> {
  if (flags.brokers === undefined && flags.transport === undefined) return null
  const choice = chooseTransport(flags, process.env.KAFKA_SASL_PASSWORD)
  if (choice.name === 'pg-boss') return null
  if (choice.name === 'kafkajs') {
    const { kafkajsInspector } = await installed(() => import('@oncebox/kafkajs'))
    return kafkajsInspector(kafkaSettings(choice, logger))
  }
  const { kafkaInspector } = await installed(() => import('@oncebox/kafka'))
  return kafkaInspector(kafkaSettings(choice, logger))
}
