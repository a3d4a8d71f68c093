import { migrateCommand } from '@oncebox/schema'

/**
 * The codes of all problems that `status` and `doctor` can find. `docs/operations.md` lists them; a test holds the two
 * together.
 */
export const problemCodes = [
  'NOT_MIGRATED',
  'MIGRATIONS_UNSOUND',
  'RIGHTS_MISSING',
  'SERVER_UNSUITED',
  'TABLES_LOCKED',
  'DATABASE_CHANGED',
  'NO_RELAY',
  'LANE_BEHIND',
  'LAG_GROWING',
  'PAUSED',
  'SCHEDULED_OVERDUE',
  'KEYS_PARKED',
  'DEAD_LETTERS',
  'LEAF_NOT_RECLAIMED',
  'RING_FULL',
  'SNAPSHOT_HELD',
  'PREPARED_TRANSACTION',
  'COMMITS_NOT_DURABLE',
  'IDLE_TRANSACTIONS_UNLIMITED',
  'SLOT_WAL_UNLIMITED',
  'CLOCK_SKEW',
  'IDS_AHEAD',
  'KAFKA_UNREACHABLE',
  'ACKS_IMPOSSIBLE',
  'ACKS_WEAK',
  'TOPIC_MISSING',
  'TOPIC_GROWN',
  'MESSAGE_TOO_LARGE',
  'RETENTION_PAST_HORIZON',
] as const

/** A stable code of a problem: one of `problemCodes`. */
export type ProblemCode = (typeof problemCodes)[number]

/** Something that will not mend itself. Both texts are sentences for an operator; decisions rest on `code`. */
export interface Problem {
  readonly code: ProblemCode
  /** What is wrong, with what. */
  readonly what: string
  /** The next step. */
  readonly next: string
}

export function notMigrated(schema: string, version: number | null, wanted: number): Problem {
  const name = JSON.stringify(schema)
  return {
    code: 'NOT_MIGRATED',
    what:
      version === null
        ? `There is no migrated schema ${name} in this database.`
        : `Schema ${name} is at version ${version}, and this version of oncebox wants ${wanted}.`,
    next: `Run "${migrateCommand(schema)}".`,
  }
}
