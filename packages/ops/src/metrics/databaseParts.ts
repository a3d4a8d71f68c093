import type { Tx } from '@oncebox/core'
import type { Inspector } from '@oncebox/transport'
import { statusChecks } from '../doctor/allChecks.js'
import type { Check } from '../doctor/check.js'
import { type FactReader, UnreadFact } from '../doctor/factReader.js'
import { lateLeaves, reclaimedBySeconds } from '../doctor/facts/leafLocks.js'
import type { Facts, Limits } from '../doctor/facts.js'
import type { LaneStatus } from '../lanes.js'
import type { Leaf } from '../leaves.js'
import { readParkedDeliveries } from '../parkedDeliveries.js'
import { readUnread } from '../unread.js'
import type { GaugeName, Series } from './metricList.js'
import { unreadSeries } from './unreadSeries.js'

/** What a part is read from. Facts are read once, whichever part asks first. */
export interface DatabaseSource {
  readonly tx: Tx
  readonly schema: string
  readonly limits: Limits
  readonly facts: FactReader
  /** Null where no brokers are known. */
  readonly inspector: Inspector | null
}

/** What is read together, because the same rights are needed for it. */
export interface Part {
  readonly gauges: readonly GaugeName[]
  /** @throws UnreadFact, or the driver's error. */
  readonly read: (source: DatabaseSource) => Promise<Readonly<Partial<Record<GaugeName, readonly Series[]>>>>
}

function definePart<const Names extends readonly GaugeName[]>(
  gauges: Names,
  read: (source: DatabaseSource) => Promise<Readonly<Record<Names[number], readonly Series[]>>>,
): Part {
  return { gauges, read: read as Part['read'] }
}

const single = (value: number): readonly Series[] => [{ labels: {}, value }]
const bytes = (leaves: readonly Leaf[]) => single(leaves.reduce((sum, leaf) => sum + leaf.bytes, 0))
const filled = (leaves: readonly Leaf[]) => single(leaves.filter(({ rows }) => rows > 0).length)

/** The relay's user may read the first two, a consumer's the others, a viewer all. */
export const parts = {
  lanes: definePart(
    [
      'oncebox_lane_waiting_messages',
      'oncebox_lane_oldest_waiting_seconds',
      'oncebox_lane_parked_messages',
      'oncebox_lane_held',
      'oncebox_scheduled_overdue_seconds',
    ],
    async ({ facts }) => {
      const lanes = await facts.read('lanes')
      const byLane = (value: (lane: LaneStatus) => number) =>
        lanes.map((lane): Series => ({ labels: { lane: String(lane.lane) }, value: value(lane) }))
      return {
        oncebox_lane_waiting_messages: byLane(({ waiting }) => waiting),
        oncebox_lane_oldest_waiting_seconds: byLane(({ oldestSeconds }) => oldestSeconds ?? 0),
        oncebox_lane_parked_messages: byLane(({ parked }) => parked),
        oncebox_lane_held: byLane(({ holder }) => (holder === null ? 0 : 1)),
        oncebox_scheduled_overdue_seconds: single((await facts.read('overdueSeconds')) ?? 0),
      }
    },
  ),
  outbox: definePart(
    ['oncebox_outbox_bytes', 'oncebox_outbox_filled_leaves', 'oncebox_outbox_reclaim_overdue_seconds'],
    async ({ facts, limits: { retentionMs, slotWidthMs } }) => {
      const leaves = await facts.read('outboxLeaves')
      const due = reclaimedBySeconds(retentionMs, slotWidthMs)
      const late = lateLeaves(leaves, retentionMs, slotWidthMs).map(({ newestSeconds }) => (newestSeconds ?? due) - due)
      return {
        oncebox_outbox_bytes: bytes(leaves),
        oncebox_outbox_filled_leaves: filled(leaves),
        oncebox_outbox_reclaim_overdue_seconds: single(Math.max(0, ...late)),
      }
    },
  ),
  inbox: definePart(['oncebox_inbox_bytes', 'oncebox_inbox_filled_leaves'], async ({ facts }) => {
    const leaves = await facts.read('inboxLeaves')
    return { oncebox_inbox_bytes: bytes(leaves), oncebox_inbox_filled_leaves: filled(leaves) }
  }),
  groups: definePart(
    ['oncebox_group_dead_letters', 'oncebox_group_failing_messages', 'oncebox_group_parked_messages'],
    async ({ tx, schema, facts }) => {
      const groups = await facts.read('consumers')
      const parked = new Map((await readParkedDeliveries(tx, schema)).map((row) => [row.group, row.messages]))
      const byGroup = (value: (group: (typeof groups)[number]) => number) =>
        groups.map((group): Series => ({ labels: { group: group.group }, value: value(group) }))
      return {
        oncebox_group_dead_letters: byGroup(({ deadLetters }) => deadLetters),
        oncebox_group_failing_messages: byGroup(({ failing }) => failing),
        oncebox_group_parked_messages: byGroup(({ group }) => parked.get(group) ?? 0),
      }
    },
  ),
  problems: definePart(['oncebox_problems'], async ({ facts }) => {
    const counts = new Map<string, number>()
    for (const check of statusChecks as unknown as readonly Check[]) {
      for (const code of await codesOf(check, facts)) counts.set(code, (counts.get(code) ?? 0) + 1)
    }
    const series = [...counts].map(([problem, value]): Series => ({ labels: { problem }, value }))
    return { oncebox_problems: series }
  }),
} satisfies Record<string, Part>

/** What wants the brokers beside the database. They may be away when it is not, and the other way round. */
export const brokerParts = {
  unread: definePart(['oncebox_group_unread_messages'], async ({ facts, inspector }) => ({
    oncebox_group_unread_messages: unreadSeries(await readUnread(await facts.read('consumers'), inspector)),
  })),
} satisfies Record<string, Part>

export type DatabasePart = keyof typeof parts | keyof typeof brokerParts

/** Of a check whose facts may not be read: none. */
async function codesOf(check: Check, facts: FactReader): Promise<string[]> {
  const needed: [string, unknown][] = []
  try {
    for (const name of check.needs) needed.push([name, await facts.read(name)])
  } catch (error) {
    if (error instanceof UnreadFact) return []
    throw error
  }
  return check.judge(Object.fromEntries(needed) as unknown as Facts).map(({ code }) => code)
}
