import { explainViolation } from '@oncebox/testkit'
import { uniqueName } from '@oncebox/testkit/harness'
import type { PartOptions, PartReport } from '../partReport.js'
import type { Servers } from '../servers.js'
import { diceOf } from '../simulation/dice.js'
import { crash } from './crash.js'
import { type CrashPoint, crashPoints } from './crashPoints.js'
import { Rig } from './rig.js'

/** After so many crashes a rig's history is long enough, and another begins. */
const crashesOfARig = 24
/** The system may publish and deliver again what a crash found in flight: at most everything of its scene. */
const messagesOfAScene = 200

/** So many crashes at each point, `atOnce` rigs side by side. */
export async function crashRuns(
  servers: Servers,
  { times, atOnce, points = crashPoints }: { times: number; atOnce: number; points?: readonly CrashPoint[] },
  { seed, progress }: Pick<PartOptions, 'seed' | 'progress'>,
): Promise<PartReport> {
  const start = performance.now()
  const random = diceOf(seed).next
  const waiting = shuffled(
    points.flatMap((point) => Array.from({ length: times }, () => point)),
    random,
  )
  const hits = new Map(points.map(({ name }) => [name, 0]))
  const problems: string[] = []
  let runs = 0
  let judged = 0

  /** One crash, and what the judge says of all that has happened on the rig by then. */
  async function run(rig: Rig, point: CrashPoint, own: () => number, crashes: number): Promise<string[]> {
    runs++
    const hit = await crash(rig, point, own)
    if (hit) hits.set(point.name, (hits.get(point.name) ?? 0) + 1)
    const { violations, history } = await rig.settleAndJudge(crashes * messagesOfAScene)
    judged += history.emits.length
    return [
      ...(hit ? [] : [`${point.name}: not hit`]),
      ...violations.slice(0, 3).map((each) => `after ${point.name}: ${explainViolation(each)}`),
    ]
  }

  async function work(worker: number): Promise<void> {
    const own = diceOf(seed, worker).next
    while (waiting.length > 0) {
      await using rig = await Rig.make(servers, uniqueName('crashes'))
      for (let crashes = 1; crashes <= crashesOfARig; crashes++) {
        const point = waiting.pop()
        if (point === undefined) return
        const found = await run(rig, point, own, crashes).catch((error: Error) => [`${point.name}: ${error.message}`])
        problems.push(...found)
        for (const problem of found) progress(problem)
        if (runs % 20 === 0) progress(`${runs} crashes, ${waiting.length} to come`)
        // Its history is spoilt for those that would follow.
        if (found.length > 0) break
      }
    }
  }
  // What keeps one worker from going on must not take the servers from under the others.
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, (_, worker) => work(worker)))
  for (const end of ends) if (end.status === 'rejected') problems.push(`a rig could not be made: ${end.reason}`)
  const fewest = Math.min(...hits.values())
  return {
    part: 'crashes',
    figures: {
      'processes killed': runs,
      'crash points': points.length,
      'fewest hits of a point': fewest,
      'histories judged': runs,
      'messages in them': judged,
    },
    problems,
    seconds: (performance.now() - start) / 1_000,
  }
}

function shuffled<T>(all: readonly T[], random: () => number): T[] {
  return all
    .map((each) => ({ each, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ each }) => each)
}
