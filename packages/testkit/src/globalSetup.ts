import { createSharedServers, offerSharedServers } from './sharedServers.js'

/** For `test.globalSetup` of a vitest configuration: servers are started when a test file first asks for them. */
export default async function setup(): Promise<() => Promise<void>> {
  const servers = createSharedServers()
  const withdraw = await offerSharedServers(servers)
  return async () => {
    await withdraw()
    await servers.stop()
  }
}
