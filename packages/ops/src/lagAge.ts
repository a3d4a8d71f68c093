import type { Inspector } from '@oncebox/transport'

/** A record that nobody has handled yet. */
export interface UnreadRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

/** Older than this is told as this old: topics seldom keep more. */
const longestMs = 32 * 86_400_000
const shortestStepMs = 1_000

/**
 * For how long a record has been in its topic, in seconds, to about one percent and never too short. Kafka tells the
 * first offset from a time on, not the time of an offset; so the time is closed in, first by doubling, then by halving.
 * Records carry the time of their publish, which rises along a partition.
 */
export async function secondsUnread(inspector: Inspector, record: UnreadRecord, nowMs: number): Promise<number> {
  const isThere = async (ageMs: number): Promise<boolean> => {
    const offsets = await inspector.offsetsAt(record.topic, nowMs - ageMs)
    // The first record from then on is this one or an earlier one: so this one is younger.
    return BigInt(offsets.get(record.partition) ?? 0) <= record.offset
  }
  let younger = shortestStepMs
  let older = 0
  while (!(await isThere(younger))) {
    older = younger
    if (younger >= longestMs) return longestMs / 1000
    younger *= 2
  }
  while (younger - older > Math.max(100, younger / 100)) {
    const middle = Math.round((younger + older) / 2)
    if (await isThere(middle)) younger = middle
    else older = middle
  }
  return Math.round(younger) / 1000
}
