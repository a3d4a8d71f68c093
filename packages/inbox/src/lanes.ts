import type { Item } from './decode.js'

/**
 * Splits the items of a transaction into at most `most` that can run side by side: all items of a key are in one lane, in
 * their order, and so are all of an id where there is no key. Each key goes to the lane that is shortest when it first
 * comes. What is done already is in none. Pure.
 */
export function lanesOf(items: readonly Item[], most: number): readonly (readonly Item[])[] {
  const lanes: Item[][] = []
  const laneOf = new Map<string, Item[]>()
  for (const item of items) {
    if (item.verdict.kind === 'done') continue
    const key = orderOf(item)
    let lane = laneOf.get(key)
    if (lane === undefined) {
      lane =
        lanes.length < most ? [] : lanes.reduce((shortest, each) => (each.length < shortest.length ? each : shortest))
      if (lane.length === 0) lanes.push(lane)
      laneOf.set(key, lane)
    }
    lane.push(item)
  }
  return lanes
}

/** Equal for messages that have an order among each other. */
function orderOf({ record: { key }, id }: Item): string {
  return key === null
    ? `i${id.identity}`
    : `k${Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')}`
}
