import type { BatchPlan } from './batchPlan.js'
import { heldAt, isolated, planOf } from './batchPlan.js'
import type { Item } from './decode.js'

/**
 * The messages that failed and are to be tried again, by identity, and when (milliseconds of the consumer's clock). Only
 * a hint that lives in memory: without it a batch would be bisected once more.
 */
export type Suspects = Map<string, number>

/** A fresh batch's plan: suspects run alone, and one whose pause is not over holds up all behind it. Pure. */
export function planWithSuspects(
  items: readonly Item[],
  suspects: ReadonlyMap<string, number>,
  nowMs: number,
): { readonly plan: BatchPlan; readonly retryAfterMs: number | undefined } {
  let plan = planOf(items.length)
  if (suspects.size === 0) return { plan, retryAfterMs: undefined }
  for (const item of items) {
    const notBefore = suspects.get(item.id.identity)
    if (notBefore === undefined) continue
    if (notBefore > nowMs) return { plan: heldAt(plan, item.index), retryAfterMs: Math.ceil(notBefore - nowMs) }
    plan = isolated(plan, item.index)
  }
  return { plan, retryAfterMs: undefined }
}
