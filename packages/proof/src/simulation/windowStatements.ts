import { shareIn } from './lanes.js'
import type { ModelDatabase } from './modelDatabase.js'
import { dataRow, headerRow, type OutboxRow } from './outboxRow.js'
import { isAnyDue } from './scheduledStatements.js'
import { parseSnapshot, snapshotText, visibleIn } from './snapshots.js'
import type { Answer } from './statement.js'

/**
 * Runs a statement that reads a window as its text says: which arms it has, what it orders by, where it begins. What the
 * text does not have, the model does not do.
 */
export function runWindow(database: ModelDatabase, text: string, values: readonly unknown[], now = 0): Answer {
  const [lastText, limit, upperText, after] = values as [string, number, string?, string?]
  const last = parseSnapshot(lastText)
  const upTo = database.snapshot()
  const conditions: ((row: OutboxRow) => boolean)[] = []
  const arms: ((row: OutboxRow) => boolean)[] = []
  if (text.includes('xid >= pg_snapshot_xmax($1::pg_snapshot)')) arms.push(({ xid }) => xid >= last.xmax)
  if (text.includes('xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot)))')) {
    arms.push(({ xid }) => last.xip.includes(xid))
  }
  const above = /WHERE position > (\d+)/.exec(text)?.[1]
  if (above !== undefined) arms.push(({ position }) => position > Number(above))
  if (arms.length > 0) conditions.push((row) => arms.some((arm) => arm(row)))
  if (text.includes('position > $4::bigint')) conditions.push(({ position }) => position > Number(after))
  if (text.includes(' pg_visible_in_snapshot(xid, $3::pg_snapshot)')) {
    const upper = parseSnapshot(upperText as string)
    conditions.push(({ xid }) => visibleIn(xid, upper))
  }
  if (text.includes('NOT pg_visible_in_snapshot(xid, $1::pg_snapshot)')) {
    conditions.push(({ xid }) => !visibleIn(xid, last))
  }
  if (conditions.length === 0) throw new Error(`the model does not know this window: ${text}`)
  const share = shareIn(text)
  if (share !== null) conditions.push(({ key }) => share(key))
  const order = /ORDER BY (position|xid)/.exec(text)?.[1]
  const rows = database.visible().filter((row) => conditions.every((condition) => condition(row)))
  if (order === 'position') rows.sort((a, b) => a.position - b.position)
  if (order === 'xid') rows.sort((a, b) => a.xid - b.xid || a.position - b.position)
  const read = rows.slice(0, limit)
  const wire = [...(runProbe(database, text, now).wire ?? []), ...read.map((row) => dataRow(row))]
  if (read.length === 0) return { rows: [], wire }
  const names = read.map(({ number }) => `m${number}`).join(' ')
  return { rows: [], wire, told: `a window from ${lastText} to ${snapshotText(upTo)} holds ${names}` }
}

/** Runs the statement that asks for the snapshot alone. */
export function runProbe(database: ModelDatabase, text: string, now: number): Answer {
  const due = isAnyDue(database, text, now)
  const header = { snapshot: snapshotText(database.snapshot()), recovery: false, xid: null, due }
  return { rows: [], wire: [headerRow(JSON.stringify(header))] }
}
