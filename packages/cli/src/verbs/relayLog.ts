import type { Logger } from '@oncebox/core'
import type { RelayEvent } from '@oncebox/relay'

/**
 * A relay's events as lines of the log, for those who read no JSON: what the relay does not log itself. Each publish is
 * a debug line; the sum is told at the end.
 */
export function relayLog(logger: Logger): (event: RelayEvent) => void {
  let published = 0
  const failing = new Set<number>()
  return (event) => {
    const { event: name, ...fields } = event
    switch (name) {
      case 'ready':
        return logger.info(fields, 'the relay holds the lane and publishes')
      case 'standby':
        return logger.info(fields, 'another relay holds the lane; this one stands by')
      case 'published':
        published += event.count
        if (failing.delete(event.lane)) logger.info({ lane: event.lane }, 'the transport acknowledges again')
        return logger.debug(fields, 'published')
      case 'publish_failed':
        // The relay has said so itself, and does not say when it is over.
        failing.add(event.lane)
        return
      case 'released':
        published += event.count
        return logger.info(fields, 'messages that were moved aside are published')
      case 'topic_created':
        return logger.info(fields, 'a topic was created')
      case 'paused':
      case 'resumed':
      case 'lane_removed':
        // The relay has said so itself.
        return
      case 'lease_lost':
        return logger.warn(fields, 'the lease was lost')
      case 'stopped':
        return logger.info({ ...fields, published }, 'the relay stopped')
      default:
        return logger.debug(fields, name)
    }
  }
}
