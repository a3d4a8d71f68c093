/** A leaf of the outbox's ring as a look at it finds it. Times in milliseconds since the Unix epoch. */
export interface LeafState {
  readonly slot: number
  /** When its first and its last row were written; null when it is empty. */
  readonly oldest: number | null
  readonly newest: number | null
  /** Whether a row of it may still have to be published. Only a hint: what counts is checked under the lock. */
  readonly unpublished: boolean
}

export interface RingState {
  readonly activeSlot: number
  readonly now: number
  readonly leafWidthMs: number
  readonly retentionMs: number
  /** One for each slot, by slot. */
  readonly leaves: readonly LeafState[]
  /** The leaf of rows with any other slot, which is never active; its `slot` is -1. */
  readonly defaultLeaf?: LeafState
}

/** Leaves worth locking: not the active one, everything published, everything past retention. Pure. */
export function leavesToReclaim(ring: RingState): number[] {
  return [...ring.leaves, ...(ring.defaultLeaf === undefined ? [] : [ring.defaultLeaf])]
    .filter((leaf) => leaf.slot !== ring.activeSlot && !leaf.unpublished)
    .filter((leaf) => leaf.newest !== null && ring.now - leaf.newest > ring.retentionMs)
    .map((leaf) => leaf.slot)
}

/**
 * The slot to switch to: the next one, when the active leaf has been filled long enough and the next is empty; null
 * otherwise. With no free leaf writers stay where they are. Pure.
 */
export function slotToSwitchTo(ring: RingState): number | null {
  const active = ring.leaves[ring.activeSlot]
  const next = (ring.activeSlot + 1) % ring.leaves.length
  if (active === undefined || active.oldest === null || ring.now - active.oldest < ring.leafWidthMs) return null
  return ring.leaves[next]?.newest === null ? next : null
}
