import type { Tx } from '@oncebox/core'
import { currentVersion, defaultSchema, schemaVersion } from '@oncebox/schema'
import type { ConsumerStatus } from './consumers.js'
import { statusChecks } from './doctor/allChecks.js'
import type { Check } from './doctor/check.js'
import { limitsOf } from './doctor/doctor.js'
import { createFactReader, UnreadFact } from './doctor/factReader.js'
import type { Facts } from './doctor/facts.js'
import type { LaneStatus } from './lanes.js'
import type { LeafStatus } from './leaves.js'
import type { Pause } from './pauses.js'
import { notMigrated, type Problem } from './problems.js'

/** The account of one database; what `oncebox status --json` prints. */
export interface Status {
  /** The newest migration applied; null where there is none. */
  readonly schemaVersion: number | null
  readonly lanes: readonly LaneStatus[]
  readonly leaves: readonly LeafStatus[]
  readonly consumers: readonly ConsumerStatus[]
  /** What an operator has paused. */
  readonly paused: readonly Pause[]
  readonly problems: readonly Problem[]
}

export interface StatusOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** How long the relay keeps published messages, in milliseconds. Default 3 days. */
  readonly retentionMs?: number
}

/** The oldest schema whose tables are read here. */
const neededVersion = 5

/**
 * How things stand: lanes, storage, consumer groups, and what will not mend itself. Reads only, with plain queries on
 * `tx`; the cost does not depend on how much is retained. Best outside a transaction that stays open: the leaves stay
 * read-locked until it ends, and reclaim waits for them.
 *
 * A few keys of parked messages are part of the answer, because the operator has to find them: do not log it.
 *
 * @throws OnceboxError `INVALID_SETTING` when the schema name is not usable; the driver's error otherwise.
 */
export async function status(tx: Tx, options: StatusOptions = {}): Promise<Status> {
  const schema = options.schema ?? defaultSchema
  const version = await schemaVersion(tx, { schema })
  if (version === null || version < neededVersion) {
    const problems = [notMigrated(schema, version, currentVersion)]
    return { schemaVersion: version, lanes: [], leaves: [], consumers: [], paused: [], problems }
  }
  // What is there can be told; relays and consumers of this version do not start on it.
  const older = version < currentVersion ? [notMigrated(schema, version, currentVersion)] : []
  const facts = await readFacts(tx, schema, options).catch(driversError)
  return {
    schemaVersion: version,
    lanes: facts.lanes,
    leaves: [...facts.outboxLeaves, ...facts.inboxLeaves].map(({ newestSeconds: _, ...leaf }) => leaf),
    consumers: facts.consumers,
    paused: facts.pauses,
    problems: [
      ...older,
      ...statusChecks.flatMap((check) =>
        (check as Check).judge(facts as Facts).map(({ code, what, next }) => ({ code, what, next })),
      ),
    ],
  }
}

/** Without one of its facts there is no status: what the driver said tells more than that. */
function driversError(error: unknown): never {
  throw error instanceof UnreadFact && error.cause !== undefined ? error.cause : error
}

type StatusFacts = Pick<Facts, (typeof statusChecks)[number]['needs'][number] | 'inboxLeaves'>

/** What the checks of `status` judge. */
async function readFacts(tx: Tx, schema: string, { retentionMs }: StatusOptions): Promise<StatusFacts> {
  const limits = limitsOf(retentionMs === undefined ? {} : { retentionMs })
  const idle = { inspector: null, now: Date.now, sleep: async () => {} }
  const facts = createFactReader({ tx, schema, limits, ...idle })
  return {
    schema,
    limits,
    databaseChanged: await facts.read('databaseChanged'),
    parked: await facts.read('parked'),
    pauses: await facts.read('pauses'),
    lanes: await facts.read('lanes'),
    outboxLeaves: await facts.read('outboxLeaves'),
    inboxLeaves: await facts.read('inboxLeaves'),
    leafLocks: await facts.read('leafLocks'),
    consumers: await facts.read('consumers'),
    overdueSeconds: await facts.read('overdueSeconds'),
  }
}
