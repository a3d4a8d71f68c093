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
): Promise<PublishOutcome[]> {
  const outcomes: PublishOutcome[] = new Array(records.length)
  const stopped = new Set<string>()
  const parts: number[][] = records.length === 0 ? [] : [records.map((_, index) => index)]
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
      const middle = open.length >> 1
      parts.push(open.slice(middle), open.slice(0, middle))
    }
  }
  return outcomes
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
