import type { Sample } from './sample.js'

type Measure = 'memoryMb' | 'connections' | 'leaves' | 'outboxMb'

/** How much more the last third of a soak may show than its second, for its median: a share, and an amount on top. */
const tolerances: Readonly<Record<Measure, readonly [share: number, amount: number]>> = {
  memoryMb: [0.15, 30],
  connections: [0.2, 3],
  leaves: [0, 2],
  outboxMb: [0.5, 5],
}

/** What grew between the second third of the samples and the last; the first is for warming up. Pure. */
export function whatGrew(samples: readonly Sample[]): string[] {
  const third = Math.floor(samples.length / 3)
  if (third < 3) return []
  return (Object.keys(tolerances) as Measure[]).flatMap((measure) => {
    const before = median(samples.slice(third, 2 * third).map((sample) => sample[measure]))
    const after = median(samples.slice(-third).map((sample) => sample[measure]))
    const [share, amount] = tolerances[measure]
    return after <= before * (1 + share) + amount
      ? []
      : [`${measure} grew from ${before.toFixed(1)} to ${after.toFixed(1)}`]
  })
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
