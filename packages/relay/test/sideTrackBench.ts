import { tables } from '@oncebox/schema'
import { type Acquired, acquire } from '../dist/cursor.js'
import type { Lease } from '../dist/lease.js'
import { ParkedTable } from '../dist/parked.js'
import { ParkQueue } from '../dist/parkQueue.js'
import { Partitions } from '../dist/partitions.js'
import type { Progress } from '../dist/progress.js'
import { Publications } from '../dist/publications.js'
import { Session } from '../dist/session.js'
import { relaySettings } from '../dist/settings.js'
import { SideTrack } from '../dist/sideTrack.js'
import type { Bench } from './relayBench.js'

/** A side track that moves only when it is told to, of a lane that was taken for it. */
export interface SideTrackBench extends AsyncDisposable {
  readonly session: Session
  readonly lease: Lease
  readonly progress: Progress
  readonly queue: ParkQueue
  readonly sideTrack: SideTrack
}

export async function sideTrackOn(at: Bench, lane = 0): Promise<SideTrackBench> {
  const session = await Session.open(at.database.pool, { timeoutMs: 20_000 })
  const names = tables()
  const own = { lane, leaseMs: 60_000, holder: 'test', ownToken: null, monotonicMs: () => performance.now() }
  const { lease, progress } = (await acquire(session, names, own)) as Acquired
  const publisher = at.transport.publisher()
  const settings = relaySettings({ pool: at.database.pool, publisher, lane })
  const { logger, clock, onEvent } = settings
  const table = new ParkedTable(session, names, lease)
  const queue = new ParkQueue({ table, lease, clock, onEvent, onParked: () => undefined })
  const partitions = new Partitions({ session, tables: names, publisher, createTopics: null, lane, logger, onEvent })
  const publications = new Publications(lane)
  const sideTrack = new SideTrack({ table, queue, lease, publisher, partitions, publications, settings })
  return {
    session,
    lease,
    progress,
    queue,
    sideTrack,
    async [Symbol.asyncDispose]() {
      session.close()
    },
  }
}
