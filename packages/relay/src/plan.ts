import type { ErrorCode } from '@oncebox/core'
import type { PublishOutcome } from '@oncebox/transport'
import type { Entry } from './entry.js'

/** What is to happen with messages that were read and not tried yet. */
export interface Plan {
  readonly send: Entry[]
  /** Their unit waits for another try: behind it. */
  readonly hold: { readonly entry: Entry; readonly unit: string }[]
  /** Their group is on the side track: they join it. */
  readonly park: Entry[]
}

/** Sorts fresh messages by the state of their units and groups. Order is kept. Pure. */
export function planFresh(
  fresh: readonly Entry[],
  state: { waitsIn(entry: Entry): string | undefined; isParked(entry: Entry): boolean },
): Plan {
  const plan: Plan = { send: [], hold: [], park: [] }
  for (const entry of fresh) {
    if (state.isParked(entry)) {
      plan.park.push(entry)
      continue
    }
    const unit = state.waitsIn(entry)
    if (unit === undefined) plan.send.push(entry)
    else plan.hold.push({ entry, unit })
  }
  return plan
}

/** How many entries from the front fit: up to `messages`, up to `bytes`, at least one. Pure. */
export function fitting(entries: readonly { readonly bytes: number }[], messages: number, bytes: number): number {
  let sum = 0
  let count = 0
  for (const entry of entries) {
    sum += entry.bytes
    if (count === messages || (count > 0 && sum > bytes)) break
    count++
  }
  return count
}

function allAcked(count: number, outcomes: readonly PublishOutcome[]): boolean {
  if (outcomes.length < count) return false
  for (let index = 0; index < count; index++) if (outcomes[index]?.status !== 'acked') return false
  return true
}

/** One refused message and what of its key came after it in the same call. */
export interface Refusal {
  readonly code: ErrorCode
  readonly reason: string
  readonly entries: Entry[]
}

export interface Sorted {
  readonly acked: readonly Entry[]
  readonly refused: Refusal[]
  /** To be tried again, by unit, in order. */
  readonly again: { readonly code: ErrorCode; readonly reason: string; readonly entries: Entry[] }[]
}

/**
 * Sorts the messages of a call by what became of them. What was held shares the fate of the first of its group that was
 * not acked; messages without a key have no order and stand alone when refused. What failed is put together by unit. Pure.
 */
export function sortOutcomes(entries: readonly Entry[], outcomes: readonly PublishOutcome[]): Sorted {
  if (allAcked(entries.length, outcomes)) return { acked: entries, refused: [], again: [] }
  const acked: Entry[] = []
  const refused: Refusal[] = []
  const again: { code: ErrorCode; reason: string; entries: Entry[] }[] = []
  const fateOf = new Map<string, { entries: Entry[] }>()
  const byUnit = new Map<string, { entries: Entry[] }>()
  entries.forEach((entry, index) => {
    // A publisher that answers for fewer records than it was given has acknowledged no more than that.
    const outcome = outcomes[index] ?? ({ status: 'failed', code: 'TRANSPORT_FAILED', reason: 'no outcome' } as const)
    const fate = fateOf.get(entry.group)
    if (fate !== undefined && (entry.keyed || outcome.status === 'held')) {
      fate.entries.push(entry)
      return
    }
    switch (outcome.status) {
      case 'acked':
        acked.push(entry)
        return
      case 'refused': {
        const refusal = { code: outcome.code, reason: outcome.reason, entries: [entry] }
        refused.push(refusal)
        if (entry.keyed) fateOf.set(entry.group, refusal)
        return
      }
      case 'failed':
      case 'held': {
        if (fate !== undefined) {
          fate.entries.push(entry)
          return
        }
        const failure =
          outcome.status === 'failed'
            ? { code: outcome.code, reason: outcome.reason, entries: [entry] }
            : { code: 'TRANSPORT_FAILED' as const, reason: 'held behind a record of another call', entries: [entry] }
        const { unit } = entry
        const together = byUnit.get(unit)
        if (together === undefined) {
          byUnit.set(unit, failure)
          again.push(failure)
        } else together.entries.push(entry)
        fateOf.set(entry.group, together ?? failure)
      }
    }
  })
  return { acked, refused, again }
}
