import type { Check } from './check.js'
import { acks } from './checks/acks.js'
import { clocks } from './checks/clocks.js'
import { deadLetters } from './checks/deadLetters.js'
import { durability } from './checks/durability.js'
import { growth } from './checks/growth.js'
import { horizon } from './checks/horizon.js'
import { identity } from './checks/identity.js'
import { idleLanes } from './checks/idleLanes.js'
import { kafka } from './checks/kafka.js'
import { lanes } from './checks/lanes.js'
import { migrations } from './checks/migrations.js'
import { parked } from './checks/parked.js'
import { paused } from './checks/paused.js'
import { pinnedTopics } from './checks/pinnedTopics.js'
import { prepared } from './checks/prepared.js'
import { rights } from './checks/rights.js'
import { ring } from './checks/ring.js'
import { scheduled } from './checks/scheduled.js'
import { server } from './checks/server.js'
import { settings } from './checks/settings.js'
import { sizes } from './checks/sizes.js'
import { snapshots } from './checks/snapshots.js'
import { tableLocks } from './checks/tableLocks.js'
import { topics } from './checks/topics.js'

/** Of `status` too, which judges by these the facts that it reads anyway. The gravest come first. */
export const statusChecks = [identity, lanes, paused, scheduled, parked, deadLetters, ring] as const

/** What doctor looks at, in the order in which one would mend it. */
export const allChecks: readonly Check[] = [
  rights,
  server,
  migrations,
  tableLocks,
  identity,
  lanes,
  idleLanes,
  growth,
  paused,
  scheduled,
  parked,
  deadLetters,
  ring,
  snapshots,
  prepared,
  durability,
  settings,
  clocks,
  kafka,
  topics,
  pinnedTopics,
  acks,
  sizes,
  horizon,
] as readonly Check[]

/** What concerns a database where messages are consumed. */
export const consumerChecks: readonly Check[] = [
  rights,
  server,
  migrations,
  tableLocks,
  deadLetters,
  snapshots,
  prepared,
  durability,
  settings,
  horizon,
] as readonly Check[]
