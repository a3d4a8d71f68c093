import { setTimeout as sleep } from 'node:timers/promises'
import type { Tx } from '@oncebox/core'
import { explainViolation } from '@oncebox/testkit'
import { type Fault, faults, keepWriting, recovered } from '../faults/faults.js'
import { setStage } from '../faults/stage.js'
import type { PartOptions, PartReport } from '../partReport.js'
import { diceOf } from '../simulation/dice.js'
import { startGuests } from './crewOfGuests.js'
import { median, whatGrew } from './flatness.js'
import { type Sample, takeSample, whatSessionsDo } from './sample.js'

const sampleEveryMs = 2_000
const restBetweenFaultsMs = 5_000
/** Twice what either server writes, which deletes little: a disk is to be full only where that is the fault. */
const diskBytesAMinute = 8 << 20
const spareDiskBytes = 192 << 20
/** The ring goes round every few minutes, instead of every four days. */
const ring = { retentionMs: 20_000, leafWidthMs: 10_000 }
/** A machine that is busy must not make consumers take each other for dead: whoever takes over goes by few messages at first. */
const sessionTimeoutMs = 6_000
const toldLogLines = 60

export type SoakReport = PartReport & { readonly samples: readonly Sample[] }

/**
 * Mixed load for so many minutes, a fault at random every few seconds: relays and consumers in processes of their own,
 * Postgres, Kafka and the wires to them. Afterwards nothing may have grown, and the whole history is judged.
 */
export async function soak(
  { minutes }: { minutes: number },
  { seed, progress }: Pick<PartOptions, 'seed' | 'progress'>,
): Promise<SoakReport> {
  const start = performance.now()
  const seconds = (): number => (performance.now() - start) / 1_000
  const random = diceOf(seed).next
  const diskBytes = spareDiskBytes + Math.ceil(minutes * diskBytesAMinute)
  await using stage = await setStage(random, diskBytes)
  await using crew = await startGuests({ ...stage.rig.coordinates, ...ring, sessionTimeoutMs })
  const ofStage: readonly Fault[] = faults.filter(({ name }) => /^(wire|Postgres|broker)/.test(name))
  const ofCrew: readonly Fault[] = [
    { name: 'a process killed', inflict: () => crew.killOne(random) },
    { name: 'a process paused', inflict: () => crew.pauseOne(random, 2_500) },
  ]
  const samples: Sample[] = []
  const recoveries: number[] = []
  const problems: string[] = []
  let fault: string | null = null
  let over = false
  let inflicted = 0

  const bystander: Tx = { query: (text, values) => stage.rig.pool.query(text, values as unknown[]) }
  const disks = stage.disks instanceof Error ? [] : [stage.disks.ofPostgres, stage.disks.ofBroker]
  const sampling = (async () => {
    while (!over) {
      const sample = await takeSample(bystander, disks, crew.members, seconds(), fault)
      if (sample !== null) samples.push(sample)
      await sleep(sampleEveryMs)
    }
  })()
  const account = async (): Promise<string> => {
    const broker = stage.broker.pid === undefined ? 'has ended' : 'runs'
    const disk = `its disk, or that of Postgres, holds ${samples.at(-1)?.diskMb ?? '?'} of ${Math.round(diskBytes / 1e6)} MB`
    const groups = (await stage.broker.log()).split('\n').slice(-toldLogLines).join('\n  ')
    const sessions = (await whatSessionsDo(bystander)).join('\n  ')
    return `${await crew.account()}\nthe broker ${broker}; ${disk}\n  ${groups}\nsessions of the database\n  ${sessions}`
  }
  const stopWriting = keepWriting(stage, 30)
  while (seconds() < minutes * 60 && problems.length === 0) {
    await sleep(restBetweenFaultsMs)
    // Half of them processes, the other half what they stand on.
    const kinds = random() < 0.5 ? ofCrew : ofStage
    const next = kinds[Math.floor(random() * kinds.length)] as Fault
    fault = next.name
    await next.inflict(stage).catch((error: Error) => problems.push(`${next.name}: ${error.message}`))
    inflicted++
    const tookMs = await recovered(stage).catch((error: Error) => error)
    if (tookMs instanceof Error) {
      const told = await account()
      // Still under load, so that what ends by itself is told from what the end of the load would mend.
      const later = await recovered(stage).then(
        (ms) => `it went on ${Math.round(ms)} ms later`,
        () => 'it did not go on for another minute',
      )
      problems.push(`after ${next.name}: ${tookMs.message}; ${later}\n${told}`)
    } else recoveries.push(tookMs)
    problems.push(...crew.deserters())
    fault = null
    progress(`${Math.round(seconds())} s: ${next.name}`)
  }
  const written = await stopWriting()
  over = true
  await sampling
  const { violations, history } = await stage.rig.settleAndJudge(Number.POSITIVE_INFINITY)
  problems.push(...violations.map(explainViolation), ...whatGrew(samples))
  return {
    part: 'soak',
    figures: {
      minutes,
      'faults inflicted': inflicted,
      'transactions tried': written,
      'messages judged': history.emits.length,
      'memory of all processes, MB (median)': Math.round(median(samples.map(({ memoryMb }) => memoryMb))),
      'sessions (median)': median(samples.map(({ connections }) => connections)),
      'started again after a start that failed': crew.restarts,
      'most leaves with rows': Math.max(...samples.map(({ leaves }) => leaves)),
      'on the fuller of both disks at the end, MB': Math.round(samples.at(-1)?.diskMb ?? 0),
      'median, longest recovery, ms': `${Math.round(median(recoveries))}, ${Math.round(Math.max(...recoveries))}`,
    },
    samples,
    problems,
    seconds: seconds(),
  }
}
