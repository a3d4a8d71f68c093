import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Logger, OnceboxError } from '@oncebox/core'
import type { Operations } from '@oncebox/ops'

export interface OperationsServer {
  close(): Promise<void>
}

/**
 * Serves probes and metrics, and says in the log where. Connections of readers that linger do not hold up the end.
 *
 * @throws OnceboxError `INVALID_SETTING` when the address cannot be listened at.
 */
export async function serveOperations(
  { fetch: _, node }: Operations,
  address: { readonly host: string; readonly port: number },
  logger: Logger,
): Promise<OperationsServer> {
  const server = createServer((request, response) => {
    node(request, response).catch(() => response.destroy())
  })
  const { host, port } = await listening(server, address)
  logger.info({ host, port }, 'serving /livez, /readyz and /metrics')
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listening(server: Server, { host, port }: { readonly host: string; readonly port: number }) {
  return new Promise<{ host: string; port: number }>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new OnceboxError('INVALID_SETTING', `Cannot listen at ${host}:${port}`, {
          next: 'Give another --http-port or --http-host.',
          cause,
        }),
      )
    })
    server.listen(port, host, () => resolve({ host, port: (server.address() as AddressInfo).port }))
  })
}
