import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { DashboardOptions } from '@oncebox/dashboard'
import { UsageError } from './failure.js'
import { installed } from './installed.js'

export interface ServedDashboard {
  readonly url: string
  /** Cuts the pages that are open, and stops listening. */
  close(): Promise<void>
}

/**
 * Serves the dashboard over HTTP.
 *
 * @param port 0: any that is free
 * @throws UsageError when the address cannot be listened on, or `@oncebox/dashboard` is not installed.
 */
export async function serveDashboard(
  options: DashboardOptions,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<ServedDashboard> {
  const { createDashboard, nodeHandler } = await installed(() => import('@oncebox/dashboard'))
  const server = createServer(nodeHandler(createDashboard(options)))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new UsageError(`cannot listen on ${host}:${port} (${error.code})`, 'Choose another with --port.')),
    )
    server.listen(port, host, resolve)
  })
  const { port: taken } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}/`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
