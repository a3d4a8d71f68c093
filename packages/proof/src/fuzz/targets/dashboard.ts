import { errorCodes } from '@oncebox/core'
import { createDashboard, type Visitor } from '@oncebox/dashboard'
import { createOutbox } from '@oncebox/outbox'
import { migrate } from '@oncebox/schema'
import { until } from '@oncebox/testkit'
import pg from 'pg'
import type { Dice } from '../../simulation/dice.js'
import type { OpenTarget, Outcome, Surroundings, Target } from '../target.js'
import { asRequest, type JunkRequest, junkRequest, markup } from './requests.js'

/**
 * Everything the dashboard answers, over a real database: never an error that nobody thought of, never a payload to a
 * visitor who may not see any, never what was sent as markup, and always with the headers that keep browsers safe.
 */
export const dashboard: Target = {
  name: 'dashboard',
  cases: { full: 12_000, slice: 400 },
  atOnce: 50,
  open,
}

interface Case {
  readonly request: JunkRequest
  readonly visitor: Visitor | null
  readonly basePath: '' | '/admin/oncebox'
}

const paths = [
  '/',
  '/assets/:file',
  '/api/me',
  '/api/live',
  '/api/messages/search',
  '/api/messages/:id',
  '/api/messages/019b7000-0000-7000-8000-000000000001',
  '/api/bodies/:position',
  '/api/bodies/1',
  '/api/dead-letter-groups',
  '/api/dead-letters/search',
  '/api/dead-letters/:number',
  '/api/dead-letters/1',
  '/api/blocked-keys',
  '/api/replays',
  '/api/replays/plan',
  '/api/actions/dead-letters/retry',
  '/api/actions/dead-letters/discard',
  '/api/actions/replays',
  '/api/actions/replays/:id/cancel',
  '/api/:any',
]
const fields = [
  'topic',
  'key',
  'type',
  'from',
  'to',
  'before',
  'after',
  'limit',
  'numbers',
  'group',
  'reason',
  'database',
  'why',
  'rate',
]
const canary = 'canary-payload-6e21'
const canaries = [canary, Buffer.from(canary).toString('base64'), Buffer.from(canary).toString('hex')]
const answerMs = 15_000
/** Says whose request it is. */
const visitorHeader = 'x-visitor'
const itself = 'fuzz'

function make(dice: Dice): Case {
  const basePath = dice.chance(0.2) ? '/admin/oncebox' : ''
  const own = dice.chance(0.01) ? ['/api/doctor'] : paths
  const request = junkRequest(
    dice,
    basePath === '' ? own : [...own.map((path) => `${basePath}${path}`), basePath],
    fields,
  )
  const fromPage = dice.chance(0.6) ? { 'x-oncebox-action': '1', 'content-type': 'application/json' } : {}
  const visitor = {
    name: dice.chance(0.8) ? 'ada' : markup,
    mayAct: dice.chance(0.7),
    maySeePayloads: dice.chance(0.2),
  }
  return {
    request: { ...request, headers: { ...fromPage, ...request.headers } },
    visitor: dice.chance(0.1) ? null : visitor,
    basePath,
  }
}

const refill = `
DELETE FROM oncebox.outbox WHERE position > 20;
DELETE FROM oncebox.dead_letter_action;
DELETE FROM oncebox.dead_letter;
INSERT INTO oncebox.dead_letter (number, record_time, record_offset, partition, attempts, parks, consumer, source, message_id,
  topic, type, reason, error, key, headers, payload) OVERRIDING SYSTEM VALUE
SELECT n, now(), n, 0, 8, n % 2 = 0, 'billing', 'fuzz', n::text, 'orders', 'made', 'HANDLER_FAILED', '{"name": "${markup}"}',
  convert_to('k' || n, 'UTF8'), '[["note", "${Buffer.from(canary).toString('base64')}"]]', convert_to('${canary}', 'UTF8')
FROM generate_series(1, 10) AS n`

async function open({ createDatabase }: Surroundings): Promise<OpenTarget<Case>> {
  const pool = new pg.Pool({ connectionString: await createDatabase(), max: 8 })
  pool.on('error', () => undefined)
  const client = await pool.connect()
  await migrate(client)
  const outbox = createOutbox({ source: 'fuzz' })
  for (let number = 0; number < 20; number++) {
    await outbox.emit(client, {
      topic: 'orders',
      key: `k${number}`,
      type: 'made',
      data: { canary },
      headers: { note: canary },
    })
  }
  client.release()
  const visitors = new Map<string, Visitor | null>([[itself, { name: 'fuzz', mayAct: true }]])
  const access = (request: Request): Visitor | null => visitors.get(request.headers.get(visitorHeader) ?? '') ?? null
  const whole = createDashboard({ pool, access, actions: true })
  const mounted = createDashboard({ pool, access, actions: true, basePath: '/admin/oncebox' })
  return {
    make,
    async tryAll(cases) {
      await pool.query(refill)
      const outcomes = cases.map(async (one, index): Promise<Outcome> => {
        visitors.set(String(index), one.visitor)
        const { fetch } = one.basePath === '' ? whole : mounted
        const headers = { ...one.request.headers, [visitorHeader]: String(index) }
        return attempt(fetch, { ...one, request: { ...one.request, headers } }).catch((error: Error) => ({
          broken: `rejects: ${error.stack}`,
        }))
      })
      const all = await Promise.all(outcomes)
      await endReplays(whole.fetch)
      await endReplays(mounted.fetch, '/admin/oncebox')
      return all
    },
    [Symbol.asyncDispose]: () => pool.end(),
  }
}

type Fetch = (request: Request) => Promise<Response>

async function attempt(fetch: Fetch, { request, visitor }: Case): Promise<Outcome> {
  const response = await fetch(asRequest(request))
  const type = response.headers.get('content-type') ?? ''
  const body = await textOf(response)
  const said = `${response.status} ${type}: ${body.slice(0, 500)}`
  if (body === 'no end') return { broken: `${response.status} ${type}: no end in ${answerMs} ms` }
  if (response.status >= 500 && (request.method === 'HEAD' || !hasCode(body))) return { broken: said }
  if (response.headers.get('x-content-type-options') !== 'nosniff')
    return { broken: `without the headers of safety: ${said}` }
  if (type.startsWith('text/html') && body.includes(markup)) return { broken: `shows what it was sent: ${said}` }
  if (visitor?.maySeePayloads !== true && canaries.some((text) => body.includes(text))) {
    return { broken: `shows a payload to ${visitor?.name ?? 'nobody'}: ${said}` }
  }
  if (visitor === null && response.status < 300) return { broken: `lets nobody in: ${said}` }
  return response.status < 400 ? 'taken' : 'refused'
}

/** Of an answer without an end, the first part. */
async function textOf(response: Response): Promise<string> {
  if (response.body === null) return ''
  const reader = response.body.getReader()
  const endless = (response.headers.get('content-type') ?? '').startsWith('text/event-stream')
  const parts: Uint8Array[] = []
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), answerMs)
  })
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late])
      if (next === 'late') return 'no end'
      if (next.value !== undefined) parts.push(next.value)
      if (next.done || endless) return Buffer.concat(parts).toString()
    }
  } finally {
    clearTimeout(timer)
    await reader.cancel()
  }
}

function hasCode(body: string): boolean {
  const { code } = JSON.parse(body) as { code?: string }
  return code !== undefined && (code in errorCodes || code === 'TIMED_OUT')
}

/** Replays copy messages to the end of the outbox: what is left of them is cancelled, and none is left. */
async function endReplays(fetch: Fetch, basePath = ''): Promise<void> {
  const headers = { 'x-oncebox-action': '1', 'content-type': 'application/json', [visitorHeader]: itself }
  const ask = async (path: string, method = 'GET'): Promise<unknown> =>
    (await fetch(new Request(`http://127.0.0.1${basePath}/api${path}`, { method, headers }))).json()
  const ended = async (): Promise<boolean> => {
    const replays = (await ask('/replays')) as { id: string; state: string }[]
    const running = replays.filter(({ state }) => state === 'running')
    for (const { id } of running) await ask(`/actions/replays/${id}/cancel`, 'POST')
    return running.length === 0
  }
  // Between two looks the replays get their turn.
  await until(ended, { what: 'replays to end', deadlineMs: answerMs })
}
