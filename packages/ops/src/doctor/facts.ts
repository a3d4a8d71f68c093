import type { MigrationPlan } from '@oncebox/schema'
import type { TopicFacts } from '@oncebox/transport'
import type { ConsumerStatus } from '../consumers.js'
import type { LaneStatus } from '../lanes.js'
import type { Leaf } from '../leaves.js'
import type { ParkedGroup } from '../parked.js'
import type { Pause } from '../pauses.js'
import type { ClockFacts } from './facts/clocks.js'
import type { LargestMessage } from './facts/largest.js'
import type { LeafLock } from './facts/leafLocks.js'
import type { Rights } from './facts/rights.js'
import type { ServerFacts } from './facts/server.js'
import type { PreparedTransaction, SnapshotHolder } from './facts/snapshots.js'
import type { TableLock } from './facts/tableLocks.js'
import type { UsedTopic } from './facts/usedTopics.js'

/** Everything the checks judge. Each fact is read by itself, and only when a check needs it. */
export interface Facts {
  readonly schema: string
  readonly limits: Limits
  readonly server: ServerFacts
  readonly rights: Rights
  readonly migrations: MigrationPlan
  /** True when the cursors were written in another cluster or database. */
  readonly databaseChanged: boolean
  readonly lanes: readonly LaneStatus[]
  /** The lanes once more, `limits.sampleMs` later. */
  readonly lanesLater: readonly LaneStatus[]
  readonly parked: readonly ParkedGroup[]
  /** What an operator has paused. */
  readonly pauses: readonly Pause[]
  readonly outboxLeaves: readonly Leaf[]
  readonly inboxLeaves: readonly Leaf[]
  /** Who holds a lock on a leaf that is past its time. */
  readonly leafLocks: readonly LeafLock[]
  /** Who keeps others from writing. */
  readonly tableLocks: readonly TableLock[]
  readonly consumers: readonly ConsumerStatus[]
  /** Seconds since the earliest scheduled message became due; null when none is due. */
  readonly overdueSeconds: number | null
  readonly snapshotHolders: readonly SnapshotHolder[]
  readonly preparedTransactions: readonly PreparedTransaction[]
  readonly clocks: ClockFacts
  readonly usedTopics: readonly UsedTopic[]
  readonly largestMessages: readonly LargestMessage[]
  /** Why the brokers did not answer; null when they did. */
  readonly kafkaTrouble: string | null
  /** The topics in use that exist, by name. */
  readonly topics: ReadonlyMap<string, TopicFacts>
}

/** From where on something is worth a finding. Times in milliseconds. */
export interface Limits {
  /** How long the relay keeps published messages. */
  readonly retentionMs: number
  /** How long consumers remember an id. */
  readonly horizonMs: number
  /** How long one slot of the outbox ring is active. */
  readonly slotWidthMs: number
  /** A transaction may be open for so long. */
  readonly openTransactionMs: number
  /** A lock that stops writers may be held for so long. */
  readonly tableLockMs: number
  /** Clocks may differ by so much. */
  readonly clockSkewMs: number
  /** Between the two looks that tell whether a lag grows. */
  readonly sampleMs: number
}
