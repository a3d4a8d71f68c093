import { fastSettings, startPostgres } from '@oncebox/testkit'
import offerServers from '@oncebox/testkit/global-setup'
import { crashRuns } from './crashes/crashRuns.js'
import { faultRuns } from './faults/faultRuns.js'
import { fuzz } from './fuzz/fuzz.js'
import { modelRuns } from './model/model.js'
import { mutantRuns } from './mutants/mutantRuns.js'
import { startServers } from './ownServers.js'
import type { Part } from './partReport.js'
import { simulation } from './simulation/simulation.js'

/** The parts of a full run, by the name that the command line calls them, in the order in which they run. */
export const allParts: Readonly<Record<string, Part>> = {
  model: modelRuns,
  async fuzz(options) {
    const postgres = await startPostgres({ settings: fastSettings })
    try {
      return await fuzz({ createDatabase: () => postgres.createDatabase() }, options)
    } finally {
      await postgres.remove()
    }
  },
  simulation,
  async crashes(options) {
    await using servers = await startServers()
    return await crashRuns(servers, { times: options.times, atOnce: 3 }, options)
  },
  faults: (options) => faultRuns({}, options),
  async mutants(options) {
    const stop = await offerServers()
    try {
      return await mutantRuns({ atOnce: 2 }, options)
    } finally {
      await stop()
    }
  },
}
