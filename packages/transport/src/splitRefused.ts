import type { ErrorCode } from '@oncebox/core'
import { orderKey } from './orderKey.js'
import type { OutgoingRecord, PublishOutcome } from './publisher.js'

/**
 * What a request with several records came to: an outcome for each of them, in their order, or `refused`: nothing of it
 * was written, for the sake of at least one record that the transport does not name.
 */
export type PartResult =
  | { readonly outcomes: readonly PublishOutcome[] }
  | { readonly refused: { readonly code: ErrorCode; readonly reason: string } }

export interface SplitOptions {
  /** The requests to begin with, as indexes into the records; default one with all. Each key's order must be kept. */
  readonly parts?: readonly (readonly number[])[]
  /** How a part that was refused whole is cut, into at least two; default into halves. Each key's order must be kept. */
  readonly split?: (part: readonly number[]) => readonly (readonly number[])[]
}

/**
 * Sends records through `send`; a part that is refused whole is halved until the culprit is alone, so that every other
 * record is acked. Keeps the order rule of `Publisher.publish`: parts are sent one after the other, and a record whose
 * key has an earlier record without an ack is `held`. Once a part is `failed` nothing more is sent, and the rest is
 * `failed` too: the transport is away, and asking it again for each part would only take longer.
 *
 * @param send sends a part, which is never empty; called one at a time. It resolves; it does not reject.
 */
export async function splitRefused(
  records: readonly OutgoingRecord[],
  send: (part: readonly OutgoingRecord[]) => Promise<PartResult>,
  options: SplitOptions = {},
): Promise<PublishOutcome[]> {
  const outcomes: PublishOutcome[] = new Array(records.length)
  const stopped = new Set<string>()
  const split = options.split ?? halves
  // A stack: the next part is the last.
  const parts = [...(options.parts ?? (records.length === 0 ? [] : [records.map((_, index) => index)]))].reverse()
  let away: PublishOutcome | undefined

  const settle = (index: number, outcome: PublishOutcome) => {
    outcomes[index] = outcome
    if (outcome.status === 'acked') return
    if (outcome.status === 'failed') away ??= outcome
    const key = orderKey(records[index] as OutgoingRecord)
    if (key !== null) stopped.add(key)
  }

  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    const open = stopped.size === 0 ? part : part.filter((index) => !heldBack(records, index, stopped, outcomes))
    if (open.length === 0) continue
    if (away !== undefined) {
      for (const index of open) outcomes[index] = away
      continue
    }
    const result = await send(open.map((index) => records[index] as OutgoingRecord))
    if ('outcomes' in result) {
      open.forEach((index, at) => {
        settle(index, result.outcomes[at] as PublishOutcome)
      })
    } else if (open.length === 1) {
      settle(open[0] as number, { status: 'refused', ...result.refused })
    } else {
      parts.push(...[...split(open)].reverse())
    }
  }
  return outcomes
}

function halves(part: readonly number[]): readonly (readonly number[])[] {
  const middle = part.length >> 1
  return [part.slice(0, middle), part.slice(middle)]
}

/** The outcomes of records refused for a common reason: of each key only the first is, the others are held behind it. */
export function refusedInOrder(
  records: readonly OutgoingRecord[],
  refusal: { readonly code: ErrorCode; readonly reason: string },
): PublishOutcome[] {
  const stopped = new Set<string>()
  return records.map((record) => {
    const key = orderKey(record)
    if (key !== null && stopped.has(key)) return { status: 'held' }
    if (key !== null) stopped.add(key)
    return { status: 'refused', ...refusal }
  })
}

function heldBack(
  records: readonly OutgoingRecord[],
  index: number,
  stopped: ReadonlySet<string>,
  outcomes: PublishOutcome[],
): boolean {
  const key = orderKey(records[index] as OutgoingRecord)
  if (key === null || !stopped.has(key)) return false
  outcomes[index] = { status: 'held' }
  return true
}
