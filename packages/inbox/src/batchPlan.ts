/**
 * Which records of a batch go into the next transaction. Records before `done` are committed; records from `end` on are
 * not for now; no transaction reaches across a cut. Pure values: every function returns the next plan.
 */
export interface BatchPlan {
  readonly done: number
  readonly end: number
  /** Ascending, each within (done, end). */
  readonly cuts: readonly number[]
}

/** Records `from` up to, not including, `to`. */
export interface Span {
  readonly from: number
  readonly to: number
}

export function planOf(records: number, cuts: readonly number[] = []): BatchPlan {
  return withCuts({ done: 0, end: records, cuts: [] }, cuts)
}

/** The next transaction's records, at most `size` of them; null when there is nothing left to do now. */
export function nextSpan(plan: BatchPlan, size: number): Span | null {
  if (plan.done >= plan.end) return null
  return { from: plan.done, to: Math.min(plan.done + size, plan.cuts[0] ?? plan.end) }
}

export function committed(plan: BatchPlan, span: Span): BatchPlan {
  return { ...plan, done: span.to, cuts: plan.cuts.filter((cut) => cut > span.to) }
}

/**
 * One of `suspects` (ascending, at least two) made its transaction fail, nobody knows which: halves them. With one bad
 * record in n this costs at most 2·log2(n) transactions more than none.
 */
export function bisected(plan: BatchPlan, suspects: readonly number[]): BatchPlan {
  const middle = suspects[suspects.length >> 1] as number
  return withCuts(plan, [middle, (suspects[suspects.length - 1] as number) + 1])
}

/** The record at `index` goes into a transaction of its own. */
export function isolated(plan: BatchPlan, index: number): BatchPlan {
  return withCuts(plan, [index, index + 1])
}

/** The record at `index` has to wait, and with it everything behind it: order per key holds. */
export function heldAt(plan: BatchPlan, index: number): BatchPlan {
  const end = Math.min(plan.end, index)
  return { ...plan, end, cuts: plan.cuts.filter((cut) => cut < end) }
}

function withCuts(plan: BatchPlan, added: readonly number[]): BatchPlan {
  const cuts = new Set([...plan.cuts, ...added].filter((cut) => cut > plan.done && cut < plan.end))
  return { ...plan, cuts: [...cuts].sort((a, b) => a - b) }
}
