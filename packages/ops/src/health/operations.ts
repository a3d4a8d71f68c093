import type { IncomingMessage, ServerResponse } from 'node:http'
import { checkSettings, kinds, type Logger, type SettingKinds, silentLogger } from '@oncebox/core'
import { type ReadinessCheck, readiness } from './readiness.js'

export interface OperationsOptions {
  /** What `/readyz` asks. Default: nothing; it always answers ready. */
  readonly ready?: readonly ReadinessCheck[]
  /** What `/metrics` answers with. Default: there is no `/metrics`. */
  readonly metrics?: { readonly contentType: string; text(): Promise<string> }
  /** How long a check of `/readyz` may take, in milliseconds. Default 2,000. */
  readonly deadlineMs?: number
  /** Default: silent. */
  readonly logger?: Logger
}

/** `/livez`, `/readyz` and `/metrics`, under whatever path they are mounted. */
export interface Operations {
  /** For servers that speak Request and Response. */
  readonly fetch: (request: Request) => Promise<Response>
  /** For node:http, Express, Connect: what is none of the three goes on to `next`, or is not found. */
  readonly node: (request: IncomingMessage, response: ServerResponse, next?: () => void) => Promise<void>
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

const settingKinds: SettingKinds<OperationsOptions> = {
  ready: kinds.listOf(kinds.withMethods('a check', 'check')),
  metrics: kinds.withMethods('metrics with contentType and text', 'text'),
  deadlineMs: kinds.milliseconds(0),
  logger: kinds.logger,
}

const plain = 'text/plain; charset=utf-8'

/**
 * Probes and metrics of a process. `/livez` answers as long as the process can answer anything: nothing that is mended by
 * something else than a restart makes it fail. `/readyz` answers 503 with the reasons while the process cannot do its work.
 *
 * @throws OnceboxError `INVALID_SETTING`
 */
export function operations(options: OperationsOptions): Operations {
  checkSettings('operations', options, settingKinds)
  const { ready = [], metrics, deadlineMs = 2_000, logger = silentLogger } = options

  async function answer(method: string, url: string): Promise<Answer | null> {
    const respond = pages.get(lastSegment(url))
    if (respond === undefined) return null
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: plain, body: 'only GET\n' }
    return respond()
  }

  const pages = new Map<string, () => Promise<Answer>>([
    ['livez', async () => ({ status: 200, type: plain, body: 'alive\n' })],
    [
      'readyz',
      async () => {
        const state = await readiness(ready, { deadlineMs })
        if (state.ready) return { status: 200, type: plain, body: 'ready\n' }
        return { status: 503, type: plain, body: `not ready\n${state.reasons.join('\n')}\n` }
      },
    ],
  ])
  if (metrics !== undefined) {
    pages.set('metrics', async () => {
      try {
        return { status: 200, type: metrics.contentType, body: await metrics.text() }
      } catch (error) {
        logger.error({ error: error instanceof Error ? error.name : typeof error }, 'the metrics could not be read')
        return { status: 500, type: plain, body: 'the metrics could not be read\n' }
      }
    })
  }

  return {
    async fetch(request) {
      const found = (await answer(request.method, request.url)) ?? notFound
      const headers = headersOf(found)
      return new Response(request.method === 'HEAD' ? null : found.body, { status: found.status, headers })
    },
    async node(request, response, next) {
      const found = await answer(request.method ?? 'GET', request.url ?? '/')
      if (found === null && next !== undefined) return next()
      const { status, body } = found ?? notFound
      response.writeHead(status, headersOf(found ?? notFound))
      response.end(request.method === 'HEAD' ? undefined : body)
    },
  }
}

const notFound: Answer = { status: 404, type: plain, body: 'not found\n' }

function headersOf({ type }: Answer): Record<string, string> {
  return { 'content-type': type, 'cache-control': 'no-store' }
}

/** `readyz` of `http://host/internal/readyz?verbose`. */
function lastSegment(url: string): string {
  const [path = ''] = url.split(/[?#]/)
  return path.slice(path.lastIndexOf('/') + 1)
}
