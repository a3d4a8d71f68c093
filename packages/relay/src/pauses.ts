import type { Tables } from '@oncebox/schema'
import type { Session } from './session.js'

/** What an operator has paused, as far as it concerns one lane: the lane itself, and topics. */
export interface Paused {
  readonly lane: boolean
  readonly topics: ReadonlySet<string>
}

export const nothingPaused: Paused = { lane: false, topics: new Set() }

/** What is paused now: one small statement. */
export async function readPaused(session: Session, tables: Tables, lane: number): Promise<Paused> {
  const rows = await session.rows(
    `SELECT topic FROM ${tables.pause} WHERE resumed_at IS NULL AND (lane IS NULL OR lane = $1::smallint)`,
    [lane],
    'oncebox_paused',
  )
  const topics = rows.flatMap(([topic]) => (topic === null || topic === undefined ? [] : [topic]))
  return { lane: topics.length < rows.length, topics: new Set(topics) }
}

/** Which topics begin to wait and which go on. Pure. */
export function pauseChanges(
  before: Paused,
  after: Paused,
): { readonly paused: readonly string[]; readonly resumed: readonly string[] } {
  return {
    paused: [...after.topics].filter((topic) => !before.topics.has(topic)),
    resumed: [...before.topics].filter((topic) => !after.topics.has(topic)),
  }
}
