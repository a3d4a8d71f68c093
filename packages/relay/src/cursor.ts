import { randomUUID } from 'node:crypto'
import { OnceboxError } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { Lease } from './lease.js'
import type { Progress } from './progress.js'
import type { Session } from './session.js'

/** A condition and a lock in one: the row is ours, and stays so until the statement commits. */
export const leaseHeld = (tables: Tables): string =>
  `SELECT lane FROM ${tables.relayCursor} WHERE lane = $1::smallint AND epoch = $2::bigint AND token = $3::uuid FOR UPDATE`

export interface Acquired {
  readonly lease: Lease
  readonly progress: Progress
  /** How many lanes there are: rows of the cursor table. */
  readonly lanes: number
}

export interface AcquireOptions {
  readonly lane: number
  readonly leaseMs: number
  readonly holder: string
  /** The token of our own earlier term, whose lease we may take without waiting for it to run out. */
  readonly ownToken: string | null
  readonly monotonicMs: () => number
}

/**
 * Takes the lane when nobody holds it: a new epoch and token. Null when somebody does. `session` commits synchronously,
 * because an epoch that a crash takes back would be handed out twice.
 *
 * @throws OnceboxError `LANE_MISSING` when there is no such lane.
 */
export async function acquire(session: Session, tables: Tables, options: AcquireOptions): Promise<Acquired | null> {
  const token = randomUUID()
  const signOfLife = options.monotonicMs()
  const row = await session.transaction(async (rows) => {
    const [taken] = await rows(
      `UPDATE ${tables.relayCursor}
      SET epoch = epoch + 1, token = $2::uuid, holder = $3,
        expires_at = clock_timestamp() + make_interval(secs => $4::float8 / 1000)
      WHERE lane = $1::smallint
        AND (token IS NULL OR expires_at IS NULL OR expires_at < clock_timestamp() OR token = $5::uuid)
      RETURNING epoch, last_snapshot, upper_snapshot, page_position`,
      [options.lane, token, options.holder, options.leaseMs, options.ownToken],
    )
    if (taken === undefined) return undefined
    // A statement of its own: who changes the number of lanes changes this row too, and has committed or waits for us.
    const [counted] = await rows(`SELECT count(*) FROM ${tables.relayCursor}`)
    return [...taken, counted?.[0]]
  })
  if (row === undefined) {
    await requireLane(session, tables, options.lane)
    return null
  }
  const [epoch, last, upper, position, lanes] = row as [string, string, string | null, string | null, string]
  return {
    lease: new Lease({
      lane: options.lane,
      epoch,
      token,
      leaseMs: options.leaseMs,
      monotonicMs: options.monotonicMs,
      signOfLife,
    }),
    progress: { last, page: upper === null || position === null ? null : { upper, position } },
    lanes: Number(lanes),
  }
}

async function requireLane(session: Session, tables: Tables, lane: number): Promise<void> {
  const found = await session.rows(
    `SELECT FROM ${tables.relayCursor} WHERE lane = $1::smallint`,
    [lane],
    'oncebox_lane',
  )
  if (found.length > 0) return
  throw new OnceboxError('LANE_MISSING', `There is no lane ${lane}`, {
    next: 'See how many there are with "oncebox lanes"; lane 0 is always there.',
  })
}

/** Writes how far the lane got, and renews the lease with it. False: the lease is lost. */
export async function persist(
  session: Session,
  tables: Tables,
  lease: Lease,
  progress: Progress,
  leaseMs: number,
): Promise<boolean> {
  const rows = await session.rows(
    `UPDATE ${tables.relayCursor}
    SET last_snapshot = $4::pg_snapshot, upper_snapshot = $5::pg_snapshot, page_position = $6::bigint,
      updated_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => $7::float8 / 1000)
    WHERE lane = $1::smallint AND epoch = $2::bigint AND token = $3::uuid
    RETURNING 1`,
    [...key(lease), progress.last, progress.page?.upper ?? null, progress.page?.position ?? null, leaseMs],
    'oncebox_persist',
  )
  return rows.length > 0
}

/** Renews the lease alone. False: the lease is lost. */
export async function renew(session: Session, tables: Tables, lease: Lease, leaseMs: number): Promise<boolean> {
  const rows = await session.rows(
    `UPDATE ${tables.relayCursor} SET expires_at = clock_timestamp() + make_interval(secs => $4::float8 / 1000)
    WHERE lane = $1::smallint AND epoch = $2::bigint AND token = $3::uuid
    RETURNING 1`,
    [...key(lease), leaseMs],
    'oncebox_renew',
  )
  return rows.length > 0
}

/** Gives the lane back, so that a standby takes it at once. The epoch stays. */
export async function release(session: Session, tables: Tables, lease: Lease): Promise<void> {
  await session.rows(
    `UPDATE ${tables.relayCursor} SET token = NULL, holder = NULL, expires_at = NULL
    WHERE lane = $1::smallint AND epoch = $2::bigint AND token = $3::uuid`,
    key(lease),
  )
}

function key(lease: Lease): [number, string, string] {
  return [lease.lane, lease.epoch, lease.token]
}

export function leaseLost(lease: Lease): OnceboxError {
  return new OnceboxError('LEASE_LOST', `Lane ${lease.lane} is no longer held in epoch ${lease.epoch}`, {
    next: 'Nothing to do: another relay goes on, and this one stands by.',
  })
}
