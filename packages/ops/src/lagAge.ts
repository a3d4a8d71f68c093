import type { Inspector } from '@oncebox/transport'

/** Tells the offsets of a topic at so many milliseconds before now. */
export type OffsetsAgo = (topic: string, ageMs: number) => Promise<ReadonlyMap<number, string>>

/**
 * Asks the same once: partitions of a topic that are about as old are closed in by the same questions, and an answer is about all
 * of them.
 */
export function offsetsAgo(inspector: Pick<Inspector, 'offsetsAt'>, nowMs: number): OffsetsAgo {
  const known = new Map<string, Promise<ReadonlyMap<number, string>>>()
  return (topic, ageMs) => {
    const name = `${ageMs} ${topic}`
    const asked = known.get(name) ?? inspector.offsetsAt(topic, nowMs - ageMs)
    known.set(name, asked)
    return asked
  }
}

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
export async function secondsUnread(offsets: OffsetsAgo, record: UnreadRecord): Promise<number> {
  const isThere = async (ageMs: number): Promise<boolean> => {
    const first = (await offsets(record.topic, ageMs)).get(record.partition)
    // The first record from then on is this one or an earlier one: so this one is younger.
    return BigInt(first ?? 0) <= record.offset
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
