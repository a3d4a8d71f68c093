import type { ErrorCode } from '@oncebox/core'
import type { PublishOutcome } from '@oncebox/transport'
import type { Entry } from './entry.js'

/** What may go into a call: messages whose unit is due for another try, and messages that were read and not tried yet. */
export interface Taken {
  /** With the name of the unit that they waited in: that of their topic, as long as its partitions were not known. */
  readonly due: readonly { readonly entry: Entry; readonly unit: string }[]
  readonly fresh: readonly Entry[]
}

/** What is to happen with them. */
export interface Plan {
  /** Goes into the call, what is due first. */
  readonly send: Entry[]
  /** Its unit waits for another try: behind it. */
  readonly hold: { readonly entry: Entry; readonly unit: string }[]
  /** Its group is on the side track: joins it. */
  readonly park: Entry[]
  /** Of what was read, nothing goes into the call, although there was some. */
  readonly onlyWaits: boolean
}

export interface WaitingState {
  /** The unit that a message that was read has to wait in; undefined when it need not. */
  waitsIn(entry: Entry): string | undefined
  /** The same for one whose partition was found while it waited for its topic. */
  ownUnitOf(entry: Entry): string | undefined
  isParked(entry: Entry): boolean
}

/**
 * Decides what a call is made of. What is due in the unit of its own partition is what that unit waits for; everything
 * else is sent, held or parked by the state of its unit and group. Order is kept. Pure.
 */
export function planCall({ due, fresh }: Taken, state: WaitingState): Plan {
  const send: Entry[] = []
  const hold: { entry: Entry; unit: string }[] = []
  const park: Entry[] = []
  const place = (entry: Entry, unit: string | undefined) => {
    if (state.isParked(entry)) park.push(entry)
    else if (unit === undefined) send.push(entry)
    else hold.push({ entry, unit })
  }
  for (const { entry, unit } of due) {
    if (entry.unit === unit) send.push(entry)
    else place(entry, state.ownUnitOf(entry))
  }
  const sendDue = send.length
  for (const entry of fresh) place(entry, state.waitsIn(entry))
  return { send, hold, park, onlyWaits: fresh.length > 0 && send.length === sendDue }
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
