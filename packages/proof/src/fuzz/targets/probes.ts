import type { IncomingMessage, ServerResponse } from 'node:http'
import { operations, type ReadinessCheck } from '@oncebox/ops'
import type { Dice } from '../../simulation/dice.js'
import { type Outcome, plainTarget, type Target } from '../target.js'
import { asRequest, type JunkRequest, junkRequest, markup } from './requests.js'

/** `/livez`, `/readyz` and `/metrics`, as `Request` and through `node:http`, with checks and metrics that fail. */
export const probes: Target = {
  name: 'probes',
  cases: { full: 60_000, slice: 1_000 },
  atOnce: 500,
  open: plainTarget(make, attempt),
}

type How = 'passes' | 'says why' | 'throws' | 'throws no error' | 'hangs'

interface Case {
  readonly request: JunkRequest
  readonly way: 'fetch' | 'node'
  readonly check: How
  readonly metrics: How
}

const ways: readonly How[] = ['passes', 'passes', 'says why', 'throws', 'throws no error']

function make(dice: Dice): Case {
  const paths = ['/livez', '/readyz', '/metrics', '/internal/readyz', '/:any/livez', '/metrics/:any', '/']
  return {
    request: junkRequest(dice, paths, ['verbose', 'name']),
    way: dice.pick(['fetch', 'node']),
    check: dice.chance(0.02) ? 'hangs' : dice.pick(ways),
    metrics: dice.pick(ways),
  }
}

const secret = 'canary-error-text-91c2'

async function behave(how: How): Promise<string | null> {
  if (how === 'throws') throw new Error(secret)
  if (how === 'throws no error') throw secret
  if (how === 'hangs') return new Promise(() => undefined)
  return how === 'passes' ? null : 'is not there'
}

/** An answer, whichever way it came. */
interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

async function attempt({ request, way, check, metrics }: Case): Promise<Outcome> {
  const ready: ReadinessCheck[] = [{ name: 'database', check: () => behave(check) }]
  const text = async (): Promise<string> => ((await behave(metrics)) === null ? '# TYPE oncebox counter\n' : '')
  const parts = operations({ ready, metrics: { contentType: 'text/plain', text }, deadlineMs: 5 })
  let answer: Answer
  try {
    answer = way === 'fetch' ? await fetched(parts.fetch, request) : await listened(parts.node, request)
  } catch (error) {
    return { broken: `rejects: ${error instanceof Error ? error.stack : error}` }
  }
  const said = `${answer.status} ${answer.body.slice(0, 300)}`
  const failing = metrics.startsWith('throws') && answer.body.includes('metrics could not be read')
  if (
    ![200, 404, 405, 503].includes(answer.status) &&
    !(answer.status === 500 && (failing || request.method === 'HEAD'))
  ) {
    return { broken: said }
  }
  if (`${answer.body}`.includes(secret)) return { broken: `shows the text of an error: ${said}` }
  if (answer.body.includes(markup) || !answer.type.startsWith('text/plain'))
    return { broken: `shows what it was sent: ${said}` }
  return answer.status === 200 ? 'taken' : 'refused'
}

async function fetched(fetch: (request: Request) => Promise<Response>, request: JunkRequest): Promise<Answer> {
  const response = await fetch(asRequest(request))
  return { status: response.status, type: response.headers.get('content-type') ?? '', body: await response.text() }
}

type Listener = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** As a server of `node:http` calls it: addresses come as they were sent, in any shape. */
async function listened(listener: Listener, { method, address }: JunkRequest): Promise<Answer> {
  let [status, type, body] = [0, '', '']
  const response = {
    writeHead(code: number, headers: Record<string, string>) {
      status = code
      type = headers['content-type'] ?? ''
    },
    end(text?: string) {
      body = text ?? ''
    },
  }
  await listener({ method, url: address } as IncomingMessage, response as unknown as ServerResponse)
  return { status, type, body }
}
