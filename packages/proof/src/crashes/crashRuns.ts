import { explainViolation } from '@oncebox/testkit'
import { uniqueName } from '@oncebox/testkit/harness'
import type { PartOptions, PartReport } from '../partReport.js'
import { seededRandom } from '../seededRandom.js'
import type { Servers } from '../servers.js'
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
  const random = seededRandom(seed)
  const waiting = shuffled(
    points.flatMap((point) => Array.from({ length: times }, () => point)),
    random,
  )
  const hits = new Map(points.map(({ name }) => [name, 0]))
  const problems: string[] = []
  let runs = 0
  let judged = 0

  async function work(worker: number): Promise<void> {
    const own = seededRandom(seed * 31 + worker)
    while (waiting.length > 0) {
      await using rig = await Rig.make(servers, uniqueName('crashes'))
      for (let crashes = 1; crashes <= crashesOfARig; crashes++) {
        const point = waiting.pop()
        if (point === undefined) return
        const hit = await crash(rig, point, own).catch((error: Error) => error)
        runs++
        if (hit instanceof Error) problems.push(`${point.name}: ${hit.message}`)
        else if (hit) hits.set(point.name, (hits.get(point.name) ?? 0) + 1)
        else problems.push(`${point.name}: not hit`)
        const { violations, history } = await rig.settleAndJudge(crashes * messagesOfAScene)
        judged += history.emits.length
        if (runs % 20 === 0) progress(`${runs} crashes, ${waiting.length} to come`)
        if (violations.length === 0 && !(hit instanceof Error)) continue
        problems.push(...violations.map((violation) => `after ${point.name}: ${explainViolation(violation)}`))
        // Its history is spoilt for those that would follow.
        break
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, (_, worker) => work(worker)))
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
