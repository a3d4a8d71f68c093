import { classifyDatabaseError, isOnceboxError, sqlState, type Tx } from '@oncebox/core'
import { plan } from '@oncebox/schema'
import type { Inspector } from '@oncebox/transport'
import { readConsumers } from '../consumers.js'
import { readLanes } from '../lanes.js'
import { readLeaves } from '../leaves.js'
import { parkedByLane, readParked } from '../parked.js'
import { readPauses } from '../pauses.js'
import { readClocks } from './facts/clocks.js'
import { readDatabaseChanged } from './facts/identity.js'
import { readLargestMessages } from './facts/largest.js'
import { lateLeaves, readLeafLocks } from './facts/leafLocks.js'
import { readRights } from './facts/rights.js'
import { readOverdue } from './facts/scheduled.js'
import { readServer } from './facts/server.js'
import { readPreparedTransactions, readSnapshotHolders } from './facts/snapshots.js'
import { readTableLocks } from './facts/tableLocks.js'
import { readUsedTopics } from './facts/usedTopics.js'
import type { Facts, Limits } from './facts.js'

/** Where facts come from. */
export interface Sources {
  readonly tx: Tx
  readonly schema: string
  readonly limits: Limits
  /** Null when no brokers are known. The caller closes it. */
  readonly inspector: Inspector | null
  /** This machine's clock, in milliseconds since the Unix epoch. */
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/** Reads facts, each once. */
export interface FactReader {
  /** @throws UnreadFact when it cannot be known here; the driver's error when the database is away. */
  read<Name extends keyof Facts>(name: Name): Promise<Facts[Name]>
}

/** A fact that cannot be known, and why: the end of the sentence "not checked: …". Its cause is the driver's error, if there is one. */
export class UnreadFact extends Error {
  override readonly name = 'UnreadFact'
}

export function createFactReader(sources: Sources): FactReader {
  const known = new Map<keyof Facts, Promise<unknown>>()
  const reader: FactReader = {
    read<Name extends keyof Facts>(name: Name) {
      const asked = known.get(name) ?? readable(readers[name](sources, reader))
      known.set(name, asked)
      return asked as Promise<Facts[Name]>
    },
  }
  return reader
}

type Readers = { readonly [Name in keyof Facts]: (sources: Sources, facts: FactReader) => Promise<Facts[Name]> }

const readers: Readers = {
  schema: async ({ schema }) => schema,
  limits: async ({ limits }) => limits,
  server: ({ tx }) => readServer(tx),
  rights: ({ tx, schema }) => readRights(tx, schema),
  migrations: ({ tx, schema }) => plan(tx, { schema }),
  databaseChanged: ({ tx, schema }) => readDatabaseChanged(tx, schema),
  parked: ({ tx, schema }) => readParked(tx, schema),
  pauses: ({ tx, schema }) => readPauses(tx, { schema }),
  lanes: async ({ tx, schema }, facts) => readLanes(tx, schema, parkedByLane(await facts.read('parked'))),
  async lanesLater({ tx, schema, limits, sleep }, facts) {
    const parked = parkedByLane(await facts.read('parked'))
    await facts.read('lanes')
    await sleep(limits.sampleMs)
    return readLanes(tx, schema, parked)
  },
  outboxLeaves: ({ tx, schema }) => readLeaves(tx, schema, 'outbox'),
  inboxLeaves: ({ tx, schema }) => readLeaves(tx, schema, 'inbox'),
  async leafLocks({ tx, schema, limits: { retentionMs, slotWidthMs } }, facts) {
    return readLeafLocks(tx, schema, lateLeaves(await facts.read('outboxLeaves'), retentionMs, slotWidthMs))
  },
  tableLocks: ({ tx, schema, limits }) => readTableLocks(tx, schema, limits.tableLockMs),
  consumers: ({ tx, schema }) => readConsumers(tx, schema),
  overdueSeconds: ({ tx, schema }) => readOverdue(tx, schema),
  snapshotHolders: ({ tx, limits }) => readSnapshotHolders(tx, limits.openTransactionMs),
  preparedTransactions: ({ tx, limits }) => readPreparedTransactions(tx, limits.openTransactionMs),
  clocks: ({ tx, schema, now }) => readClocks(tx, schema, now),
  usedTopics: ({ tx, schema }) => readUsedTopics(tx, schema),
  largestMessages: ({ tx, schema }) => readLargestMessages(tx, schema),
  async kafkaTrouble({ inspector }) {
    try {
      await requireInspector(inspector).topics([])
      return null
    } catch (error) {
      if (isOnceboxError(error)) return error.message
      throw error
    }
  },
  async topics({ inspector }, facts) {
    if ((await facts.read('kafkaTrouble')) !== null) throw new UnreadFact('Kafka does not answer')
    const used = await facts.read('usedTopics')
    return requireInspector(inspector).topics(used.map(({ topic }) => topic))
  },
}

function requireInspector(inspector: Inspector | null): Inspector {
  if (inspector === null) throw new UnreadFact('no brokers are given')
  return inspector
}

/** SQLSTATEs of what is not there yet: the schema is absent or older. */
const absent = ['42P01', '42703', '42883', '3F000']

/** Turns what the database refuses to tell into the reason why a check is skipped. */
async function readable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    const state = sqlState(error)
    if (state === '42501') throw new UnreadFact('this user may not read it', { cause: error })
    if (state !== undefined && absent.includes(state))
      throw new UnreadFact('the schema is not migrated', { cause: error })
    if (classifyDatabaseError(error) === 'lockTimeout')
      throw new UnreadFact('somebody holds a lock on it', { cause: error })
    throw error
  }
}
