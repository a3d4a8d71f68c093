import { explainViolation } from '@oncebox/testkit'
import type { PartOptions, PartReport } from '../partReport.js'
import { seededRandom } from '../seededRandom.js'
import { type Fault, faults, keepWriting, recovered } from './faults.js'
import { setStage } from './stage.js'

const messagesInFlight = 2_000

/** Each fault under load, one after the other on one stage; after each everything works again, and the history is judged. */
export async function faultRuns(
  { chosen = faults }: { chosen?: readonly Fault[] },
  { seed, progress }: Pick<PartOptions, 'seed' | 'progress'>,
): Promise<PartReport> {
  const start = performance.now()
  const problems: string[] = []
  let messages = 0
  let longest = 0
  await using stage = await setStage(seededRandom(seed))
  await stage.rig.startRelay()
  await stage.rig.startBilling()
  for (const [index, fault] of chosen.entries()) {
    const stopWriting = keepWriting(stage, 20)
    const wrong = await fault.inflict(stage).catch((error: Error) => error)
    await stopWriting()
    if (wrong instanceof Error) problems.push(`${fault.name}: ${wrong.message}`)
    const tookMs = await recovered(stage).catch((error: Error) => error)
    if (tookMs instanceof Error) problems.push(`${fault.name}: ${tookMs.message}`)
    else longest = Math.max(longest, tookMs)
    const { violations, history } = await stage.rig.settleAndJudge((index + 1) * messagesInFlight)
    messages = history.emits.length
    problems.push(...violations.map((violation) => `after ${fault.name}: ${explainViolation(violation)}`))
    progress(`${fault.name}: ${violations.length === 0 ? 'survived' : 'not survived'}, all well after ${tookMs} ms`)
    if (violations.length > 0) break
  }
  return {
    part: 'faults',
    figures: { faults: chosen.length, 'messages judged': messages, 'longest recovery, ms': Math.round(longest) },
    problems,
    seconds: (performance.now() - start) / 1_000,
  }
}
