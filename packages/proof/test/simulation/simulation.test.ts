import { expect, test } from 'vitest'
import { defects } from '../../src/simulation/defects.js'
import { runSchedule } from '../../src/simulation/runSchedule.js'
import { scheduleOf } from '../../src/simulation/schedule.js'
import { sizeOf } from '../../src/simulation/shorten.js'
import { defectsFound } from '../../src/simulation/simulation.js'
import { storyOf } from '../../src/simulation/story.js'

test('G1, G2, G3, G4: relay and consumers lose, invent, repeat and reorder nothing in simulated schedules full of faults', async () => {
  let published = 0
  for (let seed = 1; seed <= 300; seed++) {
    const result = await runSchedule(scheduleOf(seed))
    expect(result.violations, `seed ${seed}`).toEqual([])
    published += result.published
  }
  expect(published).toBeGreaterThan(1_200)
}, 180_000)

test('a seed replays exactly: the same happenings, at the same times, in the same order', async () => {
  const hashes = new Set<number>()
  for (let seed = 1; seed <= 40; seed++) {
    const [first, second] = [await runSchedule(scheduleOf(seed), { story: true }), await runSchedule(scheduleOf(seed))]
    expect(second.hash).toBe(first.hash)
    expect(second.steps).toBe(first.steps)
    expect(first.story.length).toBeGreaterThan(0)
    hashes.add(first.hash)
  }
  expect(hashes.size).toBe(40)
})

test('every deliberate defect is found', async () => {
  const found = await defectsFound(1)
  expect([...found].filter(([, after]) => after === null)).toEqual([])
  expect(found.size).toBe(Object.keys(defects).length)
}, 300_000)

test('a write under an epoch that is over is found as such, also where nothing came of it', async () => {
  const defect = defects['a write without the epoch'] ?? {}
  const found: string[][] = []
  for (let seed = 1; found.length < 5; seed++) {
    const { violations } = await runSchedule(scheduleOf(seed), { defect })
    if (violations.length > 0) found.push([...new Set(violations.map(({ rule }) => rule))])
  }
  expect(found.filter((rules) => !rules.includes('staleWrite'))).toEqual([])
  expect(found).toContainEqual(['staleWrite'])
})

test('a failing seed becomes a short story with the message that was lost', async () => {
  const defect = defects['ignore xip'] ?? {}
  let seed = 1
  while ((await runSchedule(scheduleOf(seed), { defect })).violations.length === 0) seed++
  const story = await storyOf(seed, defect)
  expect(story).toMatch(/^seed \d+: m\d+ was committed and is not in [ab]/)
  expect(story).toMatch(/t\d+ emits m\d+/)
  // Two writers that overlap are all it takes.
  expect(story.match(/ t\d+ commits/g)?.length).toBeLessThanOrEqual(3)
  expect(sizeOf(scheduleOf(seed))).toBeGreaterThan(30)
})
