import { explainViolation } from '@oncebox/testkit'
import type { PartOptions, PartReport } from '../partReport.js'
import { diceOf } from '../simulation/dice.js'
import { type Fault, faults, keepWriting, NotReachable, recovered } from './faults.js'
import { setStage } from './stage.js'

const messagesInFlight = 2_000

/** Each fault under load, one after the other on one stage; after each everything works again, and the history is judged. */
export async function faultRuns(
  { chosen = faults }: { chosen?: readonly Fault[] },
  { seed, progress, allowUnreachable = false }: Pick<PartOptions, 'seed' | 'progress' | 'allowUnreachable'>,
): Promise<PartReport> {
  const start = performance.now()
  const problems: string[] = []
  const unreachable: string[] = []
  let messages = 0
  let longest = 0
  await using stage = await setStage(diceOf(seed).next)
  await stage.rig.startRelay()
  await stage.rig.startBilling()
  for (const [index, fault] of chosen.entries()) {
    const stopWriting = keepWriting(stage, 20)
    const wrong = await fault.inflict(stage).then(
      () => null,
      (error: Error) => error,
    )
    await stopWriting()
    if (wrong instanceof NotReachable) unreachable.push(`${fault.name}: not reachable here: ${wrong.message}`)
    else if (wrong !== null) problems.push(`${fault.name}: ${wrong.message}`)
    const tookMs = await recovered(stage).catch((error: Error) => error)
    if (tookMs instanceof Error) problems.push(`${fault.name}: ${tookMs.message}`)
    else longest = Math.max(longest, tookMs)
    const { violations, history } = await stage.rig.settleAndJudge((index + 1) * messagesInFlight)
    messages = history.emits.length
    problems.push(...violations.map((violation) => `after ${fault.name}: ${explainViolation(violation)}`))
    progress(`${fault.name}: ${verdict(wrong, violations.length)}, all well after ${tookMs} ms`)
    if (violations.length > 0) break
  }
  return {
    part: 'faults',
    figures: {
      faults: chosen.length - unreachable.length,
      'faults not reachable': unreachable.length === 0 ? 0 : unreachable.join('; '),
      'messages judged': messages,
      'longest recovery, ms': Math.round(longest),
    },
    problems: allowUnreachable ? problems : [...problems, ...unreachable],
    seconds: (performance.now() - start) / 1_000,
  }
}

function verdict(wrong: Error | null, violations: number): string {
  if (wrong instanceof NotReachable) return 'not reachable here'
  return violations === 0 ? 'survived' : 'not survived'
}
