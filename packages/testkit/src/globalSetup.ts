// The set-up of a vitest project whose tests use the harness: starts the servers, and stops them.

import { kafkaAvailability, kafkaIsPrepared, prepareKafka } from './kafkaRuntime.js'
import { createSharedServers, offerSharedServers } from './sharedServers.js'

/** For `test.globalSetup` of a vitest configuration: servers are started when a test file first asks for them. */
export default async function setup(): Promise<() => Promise<void>> {
  await prepareOnce()
  const servers = createSharedServers()
  const withdraw = await offerSharedServers(servers)
  return async () => {
    await withdraw()
    await servers.stop()
  }
}

/** The download would otherwise fall into the time limit of whichever test is the first on this machine. */
async function prepareOnce(): Promise<void> {
  if (process.env.KAFKA_BROKERS || (await kafkaIsPrepared()) || !(await kafkaAvailability()).available) return
  process.stderr.write('preparing Kafka for tests: its jars come through Maven (once on this machine, about 30 s)\n')
  try {
    await prepareKafka()
  } catch (error) {
    // The tests that need Kafka will say so themselves; the others can run.
    process.stderr.write(`${(error as Error).message}\n`)
  }
}
