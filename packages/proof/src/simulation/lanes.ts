import type { CursorRow, ModelDatabase, ModelTransaction } from './modelDatabase.js'
import { endPause } from './pauseStatements.js'
import { parseSnapshot, type Snapshot, snapshotText } from './snapshots.js'

/** `hashtextextended(key, 0) & 9223372036854775807` of the keys that there are, as Postgres has it. */
const hashes: ReadonlyMap<string, bigint> = new Map([
  ['', 2283808133290280557n],
  ['k1', 815746705684850132n],
  ['k2', 8467176977507462544n],
  ['k3', 1565992299513147787n],
])

/** The lane of a key; messages without a key are in one lane. */
export function laneOf(key: string | null, lanes: number): number {
  const hash = hashes.get(key ?? '')
  if (hash === undefined) throw new Error(`the model does not know the hash of key ${key}`)
  return Number(hash % BigInt(lanes))
}

/** Which part of the keys a window's text asks for: `… % lanes) = lane`. */
export function shareIn(text: string): ((key: string | null) => boolean) | null {
  const [, lanes, lane] = /% (\d+)\) = (\d+)/.exec(text) ?? []
  return lanes === undefined ? null : (key) => laneOf(key, Number(lanes)) === Number(lane)
}

/** The snapshot in which exactly that is visible which is visible in all of them: the database's `common_snapshot`. */
export function commonSnapshot(snapshots: readonly string[]): string {
  const parsed = snapshots.map(parseSnapshot)
  const xmax = Math.min(...parsed.map((each) => each.xmax))
  const running = new Set(parsed.flatMap(({ xip }) => xip.filter((xid) => xid < xmax)))
  const xip = [...running].sort((a, b) => a - b)
  const common: Snapshot = { xmin: xip[0] ?? xmax, xmax, xip }
  return snapshotText(common)
}

/** The database's function `change_lanes`, statement by statement, with its locks. */
export async function runChangeLanes(
  database: ModelDatabase,
  transaction: ModelTransaction,
  wanted: number,
): Promise<{ readonly lanesBefore: number; readonly exact: boolean }> {
  const { locks, cursors, parked, laneRules } = database
  await locks.take('table relay_cursor', transaction, 'share row exclusive')
  const rows = cursors.entries(transaction).map(([, row]) => row)
  const lanesBefore = rows.length
  const windows = new Set(rows.map(({ last, upper }) => JSON.stringify([last, upper])))
  const exact = new Set(rows.map(({ last, upper, position }) => JSON.stringify([last, upper, position]))).size === 1
  if (lanesBefore === wanted) return { lanesBefore, exact: true }
  const together = windows.size === 1
  const positions = rows.flatMap(({ position }) => position ?? [])
  const standing = {
    last: together ? (rows[0]?.last ?? '') : placeOf(rows, laneRules.fromTheCommonPlace),
    upper: together ? (rows[0]?.upper ?? null) : null,
    position: together && positions.length > 0 ? String(Math.min(...positions.map(Number))) : null,
  }
  for (let lane = 0; lane < Math.max(lanesBefore, wanted); lane++) {
    await locks.take(cursorLock(lane), transaction)
    const before = cursors.get(String(lane), transaction)
    const stays = before !== undefined && !laneRules.endsLeases
    const lease = stays ? before : { epoch: before === undefined ? 0 : before.epoch + 1, token: null, expiresAt: null }
    const row = lane >= wanted ? undefined : { ...lease, ...standing }
    database.write(transaction, cursors.put(String(lane), row, transaction))
  }
  for (const [number] of laneRules.movesParked ? parked.entries(transaction) : []) {
    await locks.take(`parked ${number}`, transaction)
    const row = parked.get(number, transaction)
    if (row === undefined) continue
    database.write(transaction, parked.put(number, { ...row, lane: laneOf(row.row.key, wanted) }, transaction))
  }
  for (const [key] of lanesBefore > wanted ? database.pauses.entries(transaction) : []) {
    const lane = /^lane (\d+)$/.exec(key)?.[1]
    const context = { database, transaction, text: '', values: [], now: 0 }
    if (lane !== undefined && Number(lane) >= wanted) await endPause(context, { lane: Number(lane) })
  }
  return { lanesBefore, exact }
}

function placeOf(rows: readonly CursorRow[], common: boolean): string {
  const lasts = rows.map(({ last }) => last)
  return common
    ? commonSnapshot(lasts)
    : lasts.reduce((a, b) => (parseSnapshot(a).xmax > parseSnapshot(b).xmax ? a : b))
}

/** The row lock of a lane's cursor. */
export function cursorLock(lane: number): string {
  return `relay cursor ${lane}`
}
