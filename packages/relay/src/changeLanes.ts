import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, requireSchema, tables as tablesOf } from '@oncebox/schema'

/** More would be more sessions than a Postgres likes. */
const mostLanes = 64

/** What `changeLanes` did. */
export interface LanesChanged {
  /** How many lanes there were. */
  readonly before: number
  /** How many there are now. */
  readonly lanes: number
  /** True when the lanes stood alike: then only what running relays have not written down yet is published twice. */
  readonly exact: boolean
}

/**
 * Shares the keys out over `lanes` lanes (1 to 64), while relays run or not. Every lane begins where all lanes before had
 * got to; what some of them had published past there is published again, which inboxes absorb, and the order of first
 * deliveries stays (a relay that still publishes for an old lane sends copies of one rising sequence). All leases end:
 * running relays notice at their next write and acquire their lanes anew; those whose lane is gone end. Relays for lanes
 * that are new have to be started. The function in the database decides (migration 0010): the owner and operators may call it.
 *
 * Joins the transaction of `tx`, which has to be READ COMMITTED.
 *
 * @throws OnceboxError `INVALID_SETTING` for the number or the schema name; the driver's errors: 25000 above READ COMMITTED,
 *   42501 without the right to change lanes.
 */
export async function changeLanes(
  tx: Tx,
  lanes: number,
  options: { readonly schema?: string } = {},
): Promise<LanesChanged> {
  if (!Number.isSafeInteger(lanes) || lanes < 1 || lanes > mostLanes) {
    throw new OnceboxError('INVALID_SETTING', `The number of lanes is ${lanes}`, {
      next: `Use a whole number from 1 to ${mostLanes}.`,
    })
  }
  const { rows } = await tx.query<{ before: number; exact: boolean }>(
    `SELECT lanes_before AS before, exact FROM ${tablesOf(options.schema ?? defaultSchema).changeLanes}($1::text::int)`,
    [String(lanes)],
  )
  const { before, exact } = rows[0] as { before: number; exact: boolean }
  return { before, lanes, exact }
}

/** The lanes there are, in order. Reads on `tx`. @throws OnceboxError `SCHEMA_NOT_MIGRATED` */
export async function readLanes(tx: Tx, options: { readonly schema?: string } = {}): Promise<number[]> {
  const schema = options.schema ?? defaultSchema
  await requireSchema(tx, { schema })
  const { rows } = await tx.query<{ lane: number }>(
    `SELECT lane::int AS lane FROM ${tablesOf(schema).relayCursor} ORDER BY lane`,
  )
  return rows.map(({ lane }) => lane)
}
