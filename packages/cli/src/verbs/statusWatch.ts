import { fromPg } from '@oncebox/core/pg'
import { type FlowCounters, flowRates, readFlow, status as readStatus } from '@oncebox/ops'
import type { OpenDatabase } from '../command/database.js'
import { failureOf } from '../command/failure.js'
import { openLiveScreen } from '../command/liveScreen.js'
import type { Console } from '../command/runVerb.js'
import { pause } from '../command/stopSignal.js'
import { drawWatch, type Look, mostLooks, watchLine } from './watchView.js'

const watchEveryMs = 2_000
/** Publications are there from this version on. */
const flowVersion = 8

/**
 * Looks every two seconds until it is told to stop: a live screen on a terminal, a line a look elsewhere, a document a look with
 * `--json`. Once it has begun, a database that does not answer is said and asked again. Resolves to the last look.
 */
export async function watchStatus(database: OpenDatabase, schema: string, console: Console): Promise<Look> {
  const { output, logger } = console
  const stop = console.stopRequested()
  const screen = !output.json && process.stdout.isTTY === true ? openLiveScreen(process.stdout) : null
  const looks: Look[] = []
  let counters: FlowCounters | null = null
  try {
    for (;;) {
      let trouble: string | null = null
      try {
        const seen = await look(database, schema, counters)
        counters = seen.counters
        looks.push(seen.look)
        if (looks.length > mostLooks) looks.shift()
        if (screen === null) output.write({ ...seen.look.status, rates: seen.look.rates }, () => watchLine(seen.look))
      } catch (error) {
        if (looks.length === 0) throw error
        trouble = failureOf(error).what
        if (screen === null) logger.warn({ code: failureOf(error).code }, trouble)
      }
      screen?.draw(drawWatch({ looks, trouble }, screen.size))
      await pause(watchEveryMs, stop)
      if (stop.aborted) return looks.at(-1) as Look
    }
  } finally {
    screen?.close()
  }
}

async function look(
  database: OpenDatabase,
  schema: string,
  before: FlowCounters | null,
): Promise<{ readonly look: Look; readonly counters: FlowCounters | null }> {
  return database.session(async (client) => {
    const tx = fromPg(client)
    const status = await readStatus(tx, { schema })
    const flows = (status.schemaVersion ?? 0) >= flowVersion
    const counters = flows ? await readFlow(tx, { schema, windowSeconds: watchEveryMs / 1000 }) : null
    const rates = before === null || counters === null ? null : flowRates(before, counters)
    return { look: { status, rates, atMs: Date.now() }, counters }
  })
}
