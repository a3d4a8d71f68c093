import { crashPoints, crashRuns } from '@oncebox/proof'
import { kafkaMissing, testDatabase, testKafka } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { todaysSlice } from './slice.js'

describe.skipIf(await kafkaMissing())('processes that are killed', () => {
  test('G1 to G4: at six of the crash points, others every day, lose nothing, invent nothing, do nothing twice and keep order', {
    timeout: 240_000,
  }, async () => {
    const { brokers } = await testKafka()
    const databases = new Map<string, () => Promise<void>>()
    const servers = {
      brokers,
      async createDatabase() {
        const { url, drop } = await testDatabase()
        databases.set(url, drop)
        return url
      },
      dropDatabase: async (url: string) => databases.get(url)?.(),
      wired: (url: string) => url,
    }
    const points = todaysSlice(crashPoints, 6)
    const report = await crashRuns(servers, { times: 1, atOnce: 2, points }, { seed: 1, progress: () => undefined })
    expect(report.problems).toEqual([])
    expect(report.figures).toMatchObject({ 'processes killed': 6, 'fewest hits of a point': 1 })
  })
})

test('every crash point has a name of its own', () => {
  expect(new Set(crashPoints.map(({ name }) => name)).size).toBe(crashPoints.length)
})
