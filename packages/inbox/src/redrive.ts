import type { Tx } from '@oncebox/core'
import type { Tables } from '@oncebox/schema'
import { redriveKey } from './redriveKey.js'
import { redriveLetter } from './redriveLetter.js'
import type { RedriveParts } from './redriveRun.js'

/**
 * Handles what waits in the database, until `ending` aborts: retries that an operator asked for, and parked keys that are
 * due. Any number of consumers of a group do so side by side. Failures are reported and tried again.
 */
export async function redrive<Trx>(parts: RedriveParts<Trx>, ending: AbortSignal): Promise<void> {
  const { settings, tables, report } = parts
  const { db, group, clock, redrivePollMs } = settings
  while (!ending.aborted) {
    let waitMs: number
    try {
      const letter = await redriveLetter(parts)
      const key = !ending.aborted && (await redriveKey(parts))
      if (letter || key) continue
      waitMs = await db.transaction(({ tx }) => nextDueMs(tx, tables, group, redrivePollMs))
    } catch (error) {
      report.redriveFailed(error)
      waitMs = redrivePollMs
    }
    await clock.sleep(waitMs, ending)
  }
}

const shortestMs = 10

/** Milliseconds until something is due, at most `longestMs`; what is due is in another consumer's hands: look a little later. */
async function nextDueMs(tx: Tx, tables: Tables, group: string, longestMs: number): Promise<number> {
  const { rows } = await tx.query<{ ms: string | null }>(
    `SELECT (extract(epoch FROM least(
       (SELECT min(due_at) FROM ${tables.parkedKey} WHERE consumer = $1::text AND due_at IS NOT NULL),
       (SELECT min(retry_at) FROM ${tables.deadLetter} WHERE consumer = $1::text AND retry_at IS NOT NULL)
     ) - clock_timestamp()) * 1000)::text AS ms`,
    [group],
  )
  const ms = rows[0]?.ms
  return ms === null || ms === undefined ? longestMs : Math.min(longestMs, Math.max(shortestMs, Math.ceil(Number(ms))))
}
