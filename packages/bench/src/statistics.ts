/** The middle value; the mean of the two middle ones when their number is even. Pure. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which a share of 0 to 1 of the values lies, interpolated between neighbours. Pure. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('a median of nothing')
  const sorted = Float64Array.from(values).sort()
  const place = (sorted.length - 1) * share
  const below = Math.floor(place)
  const low = sorted[below] as number
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number
  return low + (high - low) * (place - below)
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  /** How many values there were. */
  readonly count: number
}

/** Median, smallest and largest. Pure. */
export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), count: values.length }
}
