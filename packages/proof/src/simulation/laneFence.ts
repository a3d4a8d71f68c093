import { cursorLock } from './lanes.js'
import type { CursorRow } from './modelDatabase.js'
import type { StatementContext } from './statement.js'

/**
 * The row of the lane that a statement names first, locked, where it is as it has to be: by the statement's snapshot, and again
 * once its lock is had. One that is not is not waited for. Undefined also where there is no such lane.
 */
export async function lockedCursor(
  { database, transaction, text, values }: StatementContext,
  fits: (cursor: CursorRow) => boolean,
): Promise<CursorRow | undefined> {
  const { cursors, locks } = database
  const lane = String(values[0])
  // FOR UPDATE lets those go on who have the table for themselves; a change of the row does not.
  if (!text.includes('FOR UPDATE')) await locks.take('table relay_cursor', transaction, 'row exclusive')
  const version = cursors.seen(lane, transaction)
  if (version?.value === undefined || !fits(version.value)) return undefined
  await locks.take(cursorLock(Number(lane)), transaction)
  const cursor = cursors.latest(lane, version, transaction)
  // One that has become another meanwhile stays locked, whether it fits or not.
  if (cursor === undefined) locks.giveBack(cursorLock(Number(lane)), transaction)
  return cursor !== undefined && fits(cursor) ? cursor : undefined
}

/** Fences a write: the row of the lane, locked, if epoch and token are the holder's. */
export async function held(context: StatementContext): Promise<CursorRow | null> {
  const { database, transaction, text, values } = context
  const [lane, epoch, token] = values
  const fenced = text.includes('epoch = $2::bigint AND token = $3::uuid')
  const cursor = await lockedCursor(context, (row) => !fenced || (row.epoch === Number(epoch) && row.token === token))
  const current = cursor ?? database.cursors.get(String(lane), transaction)
  const changedRows = cursor === undefined ? 0 : 1
  database.writes.push({ epoch: Number(epoch), current: current?.epoch ?? Number(epoch) + 1, changedRows })
  return cursor ?? null
}
