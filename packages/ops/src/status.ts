import type { Tx } from '@oncebox/core'
import { defaultSchema, outboxRing, schemaVersion, tables } from '@oncebox/schema'
import { type ConsumerStatus, readConsumers } from './consumers.js'
import { type LaneStatus, readLanes } from './lanes.js'
import { type LeafStatus, readLeaves } from './leaves.js'
import { parkedByLane, readParked } from './parked.js'
import { notMigrated, type Problem, problemsOf } from './problems.js'

/** The account of one database; what `oncebox status --json` prints. */
export interface Status {
  /** The newest migration applied; null where there is none. */
  readonly schemaVersion: number | null
  readonly lanes: readonly LaneStatus[]
  readonly leaves: readonly LeafStatus[]
  readonly consumers: readonly ConsumerStatus[]
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
const threeDaysMs = 3 * 86_400_000

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
    const problems = [notMigrated(schema, version, neededVersion)]
    return { schemaVersion: version, lanes: [], leaves: [], consumers: [], problems }
  }
  const parked = await readParked(tx, schema)
  const lanes = await readLanes(tx, schema, parkedByLane(parked))
  const leaves = await readLeaves(tx, schema)
  const consumers = await readConsumers(tx, schema)
  const problems = problemsOf({
    schema,
    lanes,
    parked,
    leaves,
    consumers,
    overdueSeconds: await readOverdue(tx, schema),
    databaseChanged: await readDatabaseChanged(tx, schema),
    retentionMs: options.retentionMs ?? threeDaysMs,
    slotWidthMs: outboxRing.widthMs,
  })
  return {
    schemaVersion: version,
    lanes,
    leaves: leaves.map(({ newestSeconds: _, ...leaf }) => leaf),
    consumers,
    problems,
  }
}

async function readOverdue(tx: Tx, schema: string): Promise<number | null> {
  const { rows } = await tx.query<{ overdue: number }>(
    `SELECT extract(epoch FROM clock_timestamp() - due_at)::float8 AS overdue
     FROM ${tables(schema).scheduled} WHERE due_at <= clock_timestamp() ORDER BY due_at LIMIT 1`,
  )
  return rows[0]?.overdue ?? null
}

/** Transaction numbers mean nothing in another cluster, so the counts of lanes mean nothing either. */
async function readDatabaseChanged(tx: Tx, schema: string): Promise<boolean> {
  const { rows } = await tx.query<{ same: boolean }>(
    `SELECT system_identifier = (SELECT system_identifier::text FROM pg_control_system())
       AND database_oid = (SELECT oid FROM pg_database WHERE datname = current_database()) AS same
     FROM ${tables(schema).databaseIdentity}`,
  )
  return rows[0]?.same === false
}
