import { inboxRing, inboxSlotOf } from '@oncebox/schema'

const { slots, widthMs } = inboxRing

/**
 * How long an id is kept at least, in milliseconds: as long as the ring allows, whatever the horizons of the groups that
 * share it. Two leaves less than there are: days at both ends of the span are only partly in it.
 */
export const keepMs = (slots - 2) * widthMs

/** A foreign id is kept by its arrival, a little longer than any horizon reaches. */
export const keepForeignMs = slots * widthMs

export interface ReclaimPlan {
  /** Ids below are refused from now on; never below the present floor. */
  readonly floorMs: number
  /** Leaves to which no id from the floor up to the future limit belongs. */
  readonly slots: readonly number[]
}

/** What can be reclaimed at `nowMs`. Pure. A leaf is looked at again under its lock: the plan alone truncates nothing. */
export function reclaimPlan(nowMs: number, presentFloorMs: number, futureMs: number): ReclaimPlan {
  const floorMs = Math.max(presentFloorMs, nowMs - keepMs, 0)
  const inUse = new Set<number>()
  const lastDay = Math.floor((nowMs + futureMs) / widthMs)
  for (let day = Math.floor(floorMs / widthMs); day <= lastDay && inUse.size < slots; day++) {
    inUse.add(inboxSlotOf(day * widthMs))
  }
  return { floorMs, slots: Array.from({ length: slots }, (_, slot) => slot).filter((slot) => !inUse.has(slot)) }
}

/** The smallest UUID whose first 48 bits are `unixMs`: every UUIDv7 of an earlier time sorts below. */
export function smallestUuidAt(unixMs: number): string {
  const hex = Math.max(0, Math.ceil(unixMs)).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`
}
