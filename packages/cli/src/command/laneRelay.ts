import type { Logger } from '@oncebox/core'
import { createRelay, type Relay, type RelayEvent } from '@oncebox/relay'
import type { RelayFlags } from '../verbs/relay.js'
import { closeWithin } from './closeWithin.js'
import { openDatabase, runsOn } from './database.js'
import { openPublisher } from './publisher.js'
import type { TransportChoice } from './transportChoice.js'

const closeMs = 1_000

/** A relay for one lane with connections of its own: a publisher takes one call at a time. */
export interface LaneRelay {
  readonly relay: Relay
  close(): Promise<void>
}

/** Connects to database and transport; nothing is published before the relay is started. @throws as both do. */
export async function openLaneRelay(
  lane: number,
  flags: RelayFlags,
  parts: {
    readonly choice: TransportChoice
    readonly logger: Logger
    readonly onEvent: (event: RelayEvent) => void
  },
): Promise<LaneRelay> {
  const { choice, logger, onEvent } = parts
  const database = await openDatabase(flags, 'relay', runsOn)
  const closeDatabase = () => closeWithin(closeMs, 'the database connections', () => database.end(), logger)
  try {
    const publisher = await openPublisher(choice, database, logger)
    const relay = createRelay({
      pool: database.pool,
      publisher,
      schema: flags.schema,
      lane,
      logger,
      onEvent,
      ...(flags.leaseMs === undefined ? {} : { leaseMs: flags.leaseMs }),
      ...(flags.createTopics === undefined ? {} : { createTopics: flags.createTopics }),
    })
    return {
      relay,
      async close() {
        await closeWithin(closeMs, 'the transport', () => publisher.close(), logger)
        await closeDatabase()
      },
    }
  } catch (error) {
    await closeDatabase()
    throw error
  }
}
