import { reclaimInbox } from './reclaim.js'
import type { Report } from './report.js'
import type { Settings } from './settings.js'

const everyMs = 600_000

/** Reclaims storage now and about every ten minutes until `signal` aborts. Failures are reported and tried again. */
export async function maintainInbox<Trx>(settings: Settings<Trx>, report: Report, signal: AbortSignal): Promise<void> {
  const { db, schema, futureMs, clock, random } = settings
  while (!signal.aborted) {
    try {
      const { leaves, floorMs } = await reclaimInbox({ db, schema, futureMs, signal })
      if (leaves.length > 0) report.reclaimed(leaves, floorMs)
    } catch (error) {
      report.reclaimFailed(error)
    }
    await clock.sleep(Math.round(everyMs * (0.75 + random() / 2)), signal)
  }
}
