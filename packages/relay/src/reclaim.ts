import { classifyDatabaseError } from '@oncebox/core'
import { outboxRing, type Tables } from '@oncebox/schema'
import { type LeafState, leavesToReclaim, type RingState, slotToSwitchTo } from './reclaimDecision.js'
import { Session, type SessionPool } from './session.js'
import type { RelaySettings } from './settings.js'

/** How long the relay's own reads may queue behind our wait for a leaf's lock. */
const lockTimeout = '50ms'

/** The ends of a leaf are found by index, whatever its statistics say. */
const lookSettings = { enable_seqscan: 'off', enable_sort: 'off' } as const

/** Stands for the default leaf, which has no slot of its own. */
const defaultSlot = -1

/** Leaves of publications are due twice a day; looking at each of them costs more than the rest of a look. */
const publicationsEveryMs = 600_000

export interface RingKeeperParts {
  /** Looks are made here; `enable_seqscan` and `enable_sort` have to be off. */
  readonly session: Session
  /** Where a session is taken from when there is something to do: locks must not be waited for on the other one. */
  readonly pool: SessionPool
  readonly tables: Tables
  readonly settings: RelaySettings
}

/** Empties leaves of the ring and moves the active slot on. */
export class RingKeeper {
  readonly #parts: RingKeeperParts
  #publicationsDueAt = Number.NEGATIVE_INFINITY

  constructor(parts: RingKeeperParts) {
    this.#parts = parts
  }

  /** One look, and what it shows to be done. */
  async look(): Promise<void> {
    const { session, pool, tables, settings } = this.#parts
    const ring = await look(session, tables, settings)
    const publicationsDue = settings.clock.now() >= this.#publicationsDueAt
    if (leavesToReclaim(ring).length === 0 && slotToSwitchTo(ring) === null && !publicationsDue) return
    const own = await Session.open(pool, { settings: lookSettings, timeoutMs: 60_000 })
    try {
      if (publicationsDue) await own.rows(`SELECT ${tables.reclaimPublications}()`)
      this.#publicationsDueAt = settings.clock.now() + publicationsEveryMs
      await this.#reclaim(own, ring)
    } finally {
      own.close()
    }
  }

  async #reclaim(session: Session, ring: RingState): Promise<void> {
    const { tables, settings } = this.#parts
    let emptied = 0
    for (const slot of leavesToReclaim(ring)) {
      const leaf = outboxRing.leaves[slot] ?? outboxRing.defaultLeaf
      if (!(await reclaimLeaf(session, tables, leaf, settings.retentionMs))) continue
      emptied++
      settings.logger.info({ leaf }, 'a leaf of the outbox was emptied')
      settings.onEvent({ event: 'leaf_reclaimed', leaf })
    }
    const slot = slotToSwitchTo(emptied === 0 ? ring : await look(session, tables, settings))
    if (slot === null) return
    // Not transactional, and seen at once; which leaf a row lands in says nothing about when it commits.
    await session.rows('SELECT setval($1::regclass, $2::bigint)', [tables.outboxSlot, slot])
    settings.logger.info({ slot }, 'new rows of the outbox go to the next leaf')
    settings.onEvent({ event: 'slot_switched', slot })
  }
}

/**
 * Empties one leaf if all of it is published, as the *persisted* cursors say, and past retention. Opens one transaction.
 * The check is a statement of its own after the lock was granted: a writer that came late is committed by then, and seen.
 * False: it was not, or the lock was not to be had quickly.
 */
export async function reclaimLeaf(
  session: Session,
  tables: Tables,
  leaf: string,
  retentionMs: number,
): Promise<boolean> {
  const table = tables.of(leaf)
  try {
    return await session.transaction(async (rows) => {
      await rows(`SELECT set_config('lock_timeout', $1, true)`, [lockTimeout])
      await rows(`LOCK TABLE ONLY ${table} IN ACCESS EXCLUSIVE MODE`)
      const [checked] = await rows(
        `SELECT NOT (${unpublished(tables, table)})
          AND (SELECT created_at FROM ${table} ORDER BY position DESC LIMIT 1)
            <= clock_timestamp() - make_interval(secs => $1::float8 / 1000)`,
        [retentionMs],
      )
      if (checked?.[0] !== 't') return false
      await rows(`TRUNCATE ONLY ${table}`)
      return true
    })
  } catch (error) {
    const kind = classifyDatabaseError(error)
    if (kind === 'lockTimeout' || kind === 'conflict') return false
    throw error
  }
}

/** Whether a row of the leaf is not covered by some lane's cursor; a window being paged counts as not published. */
function unpublished(tables: Tables, leaf: string): string {
  return `EXISTS (
    SELECT FROM ${tables.relayCursor} AS lane
    WHERE EXISTS (SELECT FROM ${leaf} WHERE xid >= pg_snapshot_xmax(lane.last_snapshot))
      OR EXISTS (SELECT FROM ${leaf} WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(lane.last_snapshot))))
  )`
}

async function look(session: Session, tables: Tables, settings: RelaySettings): Promise<RingState> {
  const queryOf = (leaf: string, slot: number) => {
    const table = tables.of(leaf)
    const end = (direction: string) =>
      `(SELECT (extract(epoch FROM created_at) * 1000)::bigint FROM ${table} ORDER BY position ${direction} LIMIT 1)`
    return `SELECT ${slot}, ${end('')}, ${end('DESC')}, ${unpublished(tables, table)}`
  }
  const queries = [...outboxRing.leaves.map(queryOf), queryOf(outboxRing.defaultLeaf, defaultSlot)]
  const [state] = await session.rows(
    `SELECT coalesce(pg_sequence_last_value($1::regclass), 0), (extract(epoch FROM clock_timestamp()) * 1000)::bigint`,
    [tables.outboxSlot],
    'oncebox_slot',
  )
  const rows = await session.rows(queries.join(' UNION ALL '), [], 'oncebox_ring')
  const states = rows.map(
    ([slot, oldest, newest, open]): LeafState => ({
      slot: Number(slot),
      oldest: oldest === null || oldest === undefined ? null : Number(oldest),
      newest: newest === null || newest === undefined ? null : Number(newest),
      unpublished: open === 't',
    }),
  )
  const defaultLeaf = states.find((leaf) => leaf.slot === defaultSlot)
  return {
    activeSlot: Number(state?.[0]),
    now: Number(state?.[1]),
    leafWidthMs: settings.leafWidthMs,
    retentionMs: settings.retentionMs,
    leaves: states.filter((leaf) => leaf.slot !== defaultSlot),
    ...(defaultLeaf === undefined ? {} : { defaultLeaf }),
  }
}
