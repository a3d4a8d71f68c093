import type { Inspector } from '@oncebox/transport'
import { expect, test } from 'vitest'
import { offsetsAgo, secondsUnread } from '../dist/lagAge.js'

const nowMs = 1_800_000_000_000
const partitions = 100

/** A record a second in each partition for a week, up to now: their numbers are their seconds. */
function week(): { readonly inspector: Pick<Inspector, 'offsetsAt'>; readonly asked: () => number } {
  let asked = 0
  const offsetsAt = async (_topic: string, timeMs: number) => {
    asked++
    const offset = String(Math.max(0, 7 * 86_400 - Math.floor((nowMs - timeMs) / 1_000)))
    return new Map(Array.from({ length: partitions }, (_, partition) => [partition, offset]))
  }
  return { inspector: { offsetsAt }, asked: () => asked }
}

test('how long a group has been away is asked about once for all partitions that are about as far behind', async () => {
  const { inspector, asked } = week()
  const offsets = offsetsAgo(inspector, nowMs)
  for (let partition = 0; partition < partitions; partition++) {
    const seconds = 6 * 86_400 - partition
    const told = await secondsUnread(offsets, { topic: 'orders', partition, offset: BigInt(7 * 86_400 - seconds) })
    expect(told).toBeGreaterThanOrEqual(seconds - 1)
    expect(told).toBeLessThan(seconds * 1.02)
  }
  expect(asked()).toBeLessThan(50)
})
