import type { IncomingBatch } from '@oncebox/transport'
import type { Item } from './decode.js'
import type { Failure } from './failure.js'
import { type SpanParts, trySpan } from './trySpan.js'

/**
 * A transaction for each lane, at the same time, none of which stores an offset: the next one would say that all of them
 * are in. Items whose lane committed are marked as done in `items`, whatever became of the others. Null when all did;
 * otherwise the failure to go on from: those of the other lanes show again when their items are tried again.
 */
export async function tryLanes<Trx>(
  parts: SpanParts<Trx>,
  batch: IncomingBatch,
  items: Item[],
  lanes: readonly (readonly Item[])[],
): Promise<Failure | null> {
  const failures = await Promise.all(
    lanes.map(async (lane) => {
      const failure = await trySpan(parts, batch, lane, null)
      if (failure === null) for (const item of lane) items[item.index] = { ...item, verdict: { kind: 'done' } }
      return failure
    }),
  )
  return worstOf(failures)
}

const gravest: readonly Failure['kind'][] = ['abandoned', 'wentBack', 'unavailable', 'inbox', 'conflict', 'suspects']

/** The one that says most about how to go on: of messages that failed, the first in the partition. Pure. */
export function worstOf(failures: readonly (Failure | null)[]): Failure | null {
  const rank = (failure: Failure): readonly number[] => [
    gravest.indexOf(failure.kind),
    failure.kind === 'suspects' ? (failure.suspects[0] as number) : 0,
  ]
  let worst: Failure | null = null
  for (const failure of failures) {
    if (failure === null) continue
    if (worst === null) worst = failure
    else {
      const [kind = 0, place = 0] = rank(failure)
      const [worstKind = 0, worstPlace = 0] = rank(worst)
      if (kind < worstKind || (kind === worstKind && place < worstPlace)) worst = failure
    }
  }
  return worst
}
