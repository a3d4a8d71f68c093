import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Dashboard } from './dashboard.js'

/**
 * The dashboard as a listener of `node:http`, which is also what Express, Fastify and Nest mount. Where a framework has cut its
 * mount path off the address, the page still gets there: an address that ends without a slash is sent on to the one with it.
 */
export function nodeHandler(
  dashboard: Dashboard,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const listener = getRequestListener((request) => dashboard.fetch(request), { overrideGlobalObjects: false })
  return async (request, response) => {
    const missing = withSlash(request)
    if (missing !== null) {
      response.writeHead(308, { location: missing }).end()
      return
    }
    await listener(request, response)
  }
}

/** Express keeps the whole address in `originalUrl`: mounted at /admin, `/admin` and `/admin/` both come as `/`. */
function withSlash(request: IncomingMessage & { readonly originalUrl?: string }): string | null {
  const [path = '', ...query] = (request.originalUrl ?? request.url ?? '/').split('?')
  const inside = (request.url ?? '/').split('?')[0]
  if (inside !== '/' || path.endsWith('/')) return null
  return [`${path.slice(path.lastIndexOf('/') + 1)}/`, ...query].join('?')
}
