import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, requireSchema, tables } from '@oncebox/schema'
import type { Inspector } from '@oncebox/transport'
import { type GroupBehind, readGroupsBehind } from './groupsBehind.js'
import { readPauses } from './pauses.js'
import { countWaiting } from './waiting.js'
import { counted, shellWord } from './wording.js'

/** What pinning a topic to the partitions that it has now would change, and what stands in its way. */
export interface RepinPlan {
  readonly topic: string
  /** Over how many partitions its keys are spread. */
  readonly pinned: number
  /** Partitions that it has now. */
  readonly partitions: number
  readonly paused: boolean
  /** Messages of it that are not published and go out under the new number: those that the pause moved aside, and later ones. */
  readonly waiting: number
  /** False where there are more. */
  readonly waitingExact: boolean
  /** Messages parked for another reason than the pause: they have to be out first. Counted up to 10,000. */
  readonly heldBack: number
  /** The groups of this database that read the topic. */
  readonly groups: readonly GroupBehind[]
}

const neededVersion = 14
const countedUpTo = 10_000

/**
 * Looks at a topic before its keys are spread over all partitions that it has now. Reads on `tx`; the cost depends on what
 * waits (bounded), not on what is retained.
 *
 * @throws OnceboxError `INVALID_SETTING` when no relay has published to the topic, `TOPIC_MISSING`, `SCHEMA_NOT_MIGRATED`, and
 *   what the inspector throws.
 */
export async function planRepin(
  tx: Tx,
  options: { readonly schema?: string; readonly topic: string; readonly inspector: Inspector },
): Promise<RepinPlan> {
  const { schema = defaultSchema, topic, inspector } = options
  await requireSchema(tx, { schema, minimumVersion: neededVersion })
  const { pinnedTopic } = tables(schema)
  const { rows } = await tx.query<{ pinned: number }>(
    `SELECT partitions AS pinned FROM ${pinnedTopic} WHERE topic = $1::text`,
    [topic],
  )
  const pinned = rows[0]?.pinned
  if (pinned === undefined) throw notPinned(topic)
  const found = (await inspector.topics([topic])).get(topic)
  if (found === undefined) {
    throw new OnceboxError('TOPIC_MISSING', `Topic ${JSON.stringify(topic)} does not exist`, {
      next: 'Look at the brokers that were given.',
    })
  }
  const paused = (await readPauses(tx, { schema })).some((pause) => pause.topic === topic)
  const waiting = await readWaiting(tx, schema, topic)
  const groups = await readGroupsBehind(tx, { schema, topic, offsets: await inspector.offsets(topic) })
  return { topic, pinned, partitions: found.partitions, paused, ...waiting, groups }
}

/** What of the plan has to be mended first, the next step in it; null: nothing. Pure. */
export function repinObstacle({ topic, paused, heldBack, groups }: RepinPlan): OnceboxError | null {
  const name = JSON.stringify(topic)
  if (!paused) return notPaused(topic)
  if (heldBack > 0) return isHeldBack(topic)
  const behind = groups.filter(({ unread }) => unread > 0)
  if (behind.length === 0) return null
  const what = behind.map(({ group, unread }) => `group ${JSON.stringify(group)} has ${counted(unread, 'message')}`)
  return new OnceboxError('TOPIC_NOT_DRAINED', `Of topic ${name} ${what.join(', ')} still to read`, {
    next: 'Wait until "oncebox lag" shows none, then do this again; the topic stays paused.',
  })
}

/** Who decides to pin a topic anew, and to how many partitions. */
export interface RepinOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** A topic that a relay has published to, and that is paused. */
  readonly topic: string
  /** As many as the topic has. */
  readonly partitions: number
  /** Who decides; kept in `topic_repin`. */
  readonly by: string
  /** Why. Default: none. */
  readonly why?: string
}

/** What `repinTopic` did. */
export interface Repinned {
  /** Over how many partitions the keys were spread. */
  readonly before: number
  /** False: over that number already; nothing was done. */
  readonly changed: boolean
}

/**
 * Spreads the keys of a paused topic over another number of partitions, while relays run or not. All leases end: running
 * relays notice at their next write and acquire their lanes anew, with the new number; none goes on with the old one. What
 * waits goes out under the new number when the topic is resumed. Until then every group has to read what was published before,
 * or a later message of a key can overtake an earlier one (`planRepin` tells of the groups of this database). The function in
 * the database decides (migration 0014): the owner and operators may call it.
 *
 * Joins the transaction of `tx`, which has to be READ COMMITTED.
 *
 * @throws OnceboxError `TOPIC_NOT_PAUSED`, `TOPIC_NOT_DRAINED` while messages are parked for another reason,
 *   `INVALID_SETTING` when no relay has published to the topic, without `by` or for the number, `SCHEMA_NOT_MIGRATED`; the
 *   driver's errors: 25000 above READ COMMITTED, 42501 without the right to do it.
 */
export async function repinTopic(tx: Tx, options: RepinOptions): Promise<Repinned> {
  const { schema = defaultSchema, topic, partitions, by, why } = options
  if (by.trim() === '') throw new OnceboxError('INVALID_SETTING', 'Nobody is named who decides about the partitions')
  if (!Number.isSafeInteger(partitions) || partitions < 1 || partitions > 2 ** 31 - 1) {
    throw new OnceboxError('INVALID_SETTING', `The number of partitions is ${partitions}`)
  }
  await requireSchema(tx, { schema, minimumVersion: neededVersion })
  const { rows } = await tx.query<{ before: number | null; paused: boolean; changed: boolean }>(
    `SELECT before, is_paused AS paused, changed
     FROM ${tables(schema).repinTopic}($1::text, $2::text::int, $3::text, $4::text)`,
    [topic, String(partitions), by, why ?? null],
  )
  const { before, paused, changed } = rows[0] as (typeof rows)[number]
  if (before === null) throw notPinned(topic)
  if (!changed && before !== partitions) throw paused ? isHeldBack(topic) : notPaused(topic)
  return { before, changed }
}

async function readWaiting(tx: Tx, schema: string, topic: string) {
  const { parked, relayCursor } = tables(schema)
  const cursors = await tx.query<{ lane: number; last: string; upper: string | null; page: string | null }>(
    `SELECT lane::int AS lane, last_snapshot::text AS last, upper_snapshot::text AS upper, page_position::text AS page
     FROM ${relayCursor} ORDER BY lane`,
  )
  let [waiting, waitingExact] = [0, true]
  for (const cursor of cursors.rows) {
    const lane = await countWaiting(tx, schema, { ...cursor, lanes: cursors.rows.length }, topic)
    waiting += lane.waiting
    waitingExact &&= lane.waitingExact
  }
  const { rows } = await tx.query<{ paused: number; others: number }>(
    `SELECT count(*) FILTER (WHERE reason = 'PAUSED')::int AS paused, count(*) FILTER (WHERE reason <> 'PAUSED')::int AS others
     FROM (
       (SELECT reason FROM ${parked} WHERE topic = $1::text AND reason = 'PAUSED' LIMIT ${countedUpTo})
       UNION ALL (SELECT reason FROM ${parked} WHERE topic = $1::text AND reason <> 'PAUSED' LIMIT ${countedUpTo})
     ) AS aside`,
    [topic],
  )
  const { paused = 0, others = 0 } = rows[0] ?? {}
  return { waiting: waiting + paused, waitingExact: waitingExact && paused < countedUpTo, heldBack: others }
}

function notPinned(topic: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', `No relay has published to topic ${JSON.stringify(topic)} yet`, {
    next: 'See those that one has published to with "oncebox topics".',
  })
}

function notPaused(topic: string): OnceboxError {
  return new OnceboxError('TOPIC_NOT_PAUSED', `Topic ${JSON.stringify(topic)} is not paused`, {
    next: `Pause it: "oncebox pause --topic ${shellWord(topic)}", and wait until its groups have read everything.`,
  })
}

function isHeldBack(topic: string): OnceboxError {
  const what = `Messages of topic ${JSON.stringify(topic)} are parked for another reason than the pause`
  return new OnceboxError('TOPIC_NOT_DRAINED', what, {
    next: 'See why with "oncebox status", mend it, resume the topic until they are out, and pause it again.',
  })
}
