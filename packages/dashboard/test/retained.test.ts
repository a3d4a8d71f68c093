import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadavg } from 'node:os'
import { promisify } from 'node:util'
import { createDashboard, type Dashboard, nodeHandler } from '@oncebox/dashboard'
import { migrate } from '@oncebox/schema'
import { testDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { browserMissing, openBrowser } from './browser.js'
import { fill, missingTopic, rareKey, retainedOf, waiting } from './retained.js'

// Ten million by hand, in a database that is kept: see docs/dashboard.md. What is answered is the same for any number.
const rows = Number(process.env.ONCEBOX_RETAINED_ROWS ?? 20_000)
const calls = Number(process.env.ONCEBOX_RETAINED_CALLS ?? 2)
const kept = process.env.ONCEBOX_RETAINED_URL
const retained = retainedOf(rows)
const command = new URL('../../cli/dist/bin.js', import.meta.url).pathname

const held = new AsyncDisposableStack()
const figures: Record<string, Record<string, number>> = {}
let pool: pg.Pool
let url: string
let dashboard: Dashboard

beforeAll(async () => {
  url = kept ?? held.use(await testDatabase()).url
  pool = held.adopt(new pg.Pool({ connectionString: url, max: 3, idleTimeoutMillis: 0 }), (one) => one.end())
  const client = await pool.connect()
  try {
    await migrate(client)
    const { rows: found } = await client.query('SELECT EXISTS (SELECT FROM oncebox.outbox) AS filled')
    if (!found[0].filled) await fill(client, retained)
    // The relay has just been at work: what the overview times.
    await client.query(
      `INSERT INTO oncebox.publication (first_position, last_position, base_offset, count, partition, lane, topic)
       SELECT $1::bigint - n, $1::bigint - n, 1, 1, 0, 0, 'orders' FROM generate_series(0, 99) AS n`,
      [rows - waiting],
    )
  } finally {
    client.release(true)
  }
  const access = () => ({ name: 'ada', mayAct: true, maySeePayloads: true })
  dashboard = createDashboard({ pool, access, actions: true })
}, 3_600_000)

afterAll(async () => {
  if (process.env.ONCEBOX_RETAINED_ROWS !== undefined) console.table(figures)
  await held.disposeAsync()
})

type Json = Record<string, unknown>

async function ask<T = Json>(path: string, body?: Json): Promise<T> {
  const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await dashboard.fetch(new Request(`http://localhost/api/${path}`, body === undefined ? {} : json))
  expect(response.status).toBe(200)
  return (await response.json()) as T
}

/** Milliseconds of processor time that the sessions of the pool have used; 0 where the system does not tell. */
async function databaseMs(): Promise<number> {
  const { rows: sessions } = await pool.query(
    'SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = $1',
    ['client backend'],
  )
  return sessions
    .map(({ pid }) => `/proc/${pid}/stat`)
    .filter((path) => existsSync(path))
    .map((path) =>
      readFileSync(path, 'utf8')
        .replace(/^.*\) /, '')
        .split(' '),
    )
    .reduce((sum, fields) => sum + (Number(fields[11]) + Number(fields[12])) * 10, 0)
}

/** Does it `calls` times; the last answer. `measure` tells from the answer how many milliseconds it took. */
async function timed<T>(name: string, work: () => Promise<T>, measure?: (answer: T) => number): Promise<T> {
  const took: number[] = []
  const before = await databaseMs()
  let answer = await work()
  for (let call = 0; call < calls; call++) {
    const began = performance.now()
    answer = await work()
    took.push(measure?.(answer) ?? performance.now() - began)
  }
  const used = ((await databaseMs()) - before) / (calls + 1)
  const sorted = took.toSorted((one, other) => one - other)
  const [median, worst] = [sorted[Math.trunc(calls / 2)] ?? 0, sorted.at(-1) ?? 0]
  figures[name] = {
    'median ms': Math.round(median),
    'worst ms': Math.round(worst),
    'database cpu ms': Math.round(used),
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  }
  return answer
}

interface Page {
  readonly messages: { readonly id: string; readonly position: string; readonly topic: string; readonly key: string }[]
  readonly before: string | null
  readonly searchedBackTo: string | null
}

const threeDays = () => ({ from: Date.now() - 4 * 24 * 3_600_000 })
const patient = { timeout: 600_000 }

test('the live picture has everything in it', patient, async () => {
  const picture = await timed('live, first picture', async () => {
    const live = await dashboard.fetch(new Request('http://localhost/api/live'))
    const reader = (live.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!text.endsWith('\n\n')) text += (await reader.read()).value
    await reader.cancel()
    return JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? 'null')
  })
  expect(picture.lanes).toMatchObject([{ waiting, waitingExact: true }])
  expect(picture.lanes[0].parked / retained.parked).toBeCloseTo(1, 1)
  expect(picture.flow.written).toBe(String(rows))
  expect(picture.leaves.length).toBeGreaterThan(20)
  expect(picture.consumers.map(({ group }: { group: string }) => group)).toEqual([
    'billing',
    'mail',
    'search',
    'statistics',
  ])
})

test('messages are found by time, topic, key and type, also on later pages', patient, async () => {
  // A database that is kept has nothing of the last hour any more.
  const newest = await timed('messages, newest', () => ask<Page>('messages/search', threeDays()))
  expect(newest.messages[0]?.position).toBe(String(rows))
  for (const [name, filter] of Object.entries({
    topic: { topic: 'orders' },
    type: { type: 'order.cancelled' },
    key: { key: newest.messages[0]?.key ?? '' },
    'hour and topic': { topic: 'payments', from: Date.now() - 41 * 3_600_000, to: Date.now() - 40 * 3_600_000 },
  })) {
    const page = await timed(`messages, by ${name}`, () => ask<Page>('messages/search', { ...threeDays(), ...filter }))
    expect(page.messages.length).toBeGreaterThan(0)
  }
  const filter = { ...threeDays(), topic: 'orders' }
  let page = await ask<Page>('messages/search', filter)
  for (let number = 2; number < 20; number++)
    page = await ask<Page>('messages/search', { ...filter, before: page.before })
  const twentieth = await timed('messages, by topic, page 20', () =>
    ask<Page>('messages/search', { ...filter, before: page.before }),
  )
  expect(twentieth.messages).toHaveLength(50)
})

test(
  'a key that was written once is found page by page, and each page says how far back it has looked',
  patient,
  async () => {
    const filter = { ...threeDays(), key: rareKey }
    let page = await ask<Page>('messages/search', filter)
    let pages = 1
    const { before } = page
    // The first page on is timed, and stands for all of them.
    if (before !== null)
      await timed('messages, by rare key, a page', () => ask<Page>('messages/search', { ...filter, before }))
    while (page.messages.length === 0 && page.before !== null) {
      page = await ask<Page>('messages/search', { ...filter, before: page.before })
      pages += 1
    }
    expect(page.messages).toMatchObject([{ position: String(Math.trunc(rows / 2)) }])
    expect(pages).toBe(Math.trunc(rows / 2 / 50_000) + 1)
  },
)

test('the way of one message is told with its offset, and its payload', patient, async () => {
  const { messages } = await ask<Page>('messages/search', { ...threeDays(), key: rareKey, ...(await aboutTheMiddle()) })
  const { id = '', position = '' } = messages[0] ?? {}
  const way = await timed('one message', () => ask(`messages/${id}`))
  expect(way.writes).toMatchObject([{ position, state: 'published', publications: [{ certain: true }] }])
  expect(await timed('one payload', () => ask(`bodies/${position}`))).toMatchObject({ contentType: 'application/json' })
  expect(await timed('one message, unknown', () => ask('messages/01a2143c-7a46-718b-ac8e-3d4f54d8b24d'))).toMatchObject(
    {
      known: false,
    },
  )
})

/** The hour in which the middle row was written. */
async function aboutTheMiddle(): Promise<Json> {
  const { rows: found } = await pool.query(
    `SELECT (extract(epoch FROM created_at) * 1000)::float8 AS ms FROM oncebox.outbox WHERE position = $1`,
    [Math.trunc(rows / 2)],
  )
  return { from: Math.trunc(found[0].ms) - 1_000, to: Math.trunc(found[0].ms) + 1_000 }
}

test('dead letters are grouped, listed and shown', patient, async () => {
  const groups = await timed('dead letters, grouped', () => ask<{ letters: number }[]>('dead-letter-groups'))
  const letters = groups.reduce((sum, group) => sum + group.letters, 0)
  expect(letters).toBeGreaterThan(retained.deadLetters * 0.9)
  const [first] = groups as unknown as [Json]
  const list = await timed('dead letters, a line of them', () => ask('dead-letters/search', first))
  expect(list).toMatchObject({ count: first.letters })
  const [{ number }] = list.letters as [{ number: string }]
  expect(await timed('one dead letter', () => ask(`dead-letters/${number}`))).toMatchObject({ letter: { number } })
})

test('blocked keys are listed with what waits behind which dead letter', patient, async () => {
  const { relay, consumers } = await timed('blocked keys', () => ask('blocked-keys'))
  expect(relay).toMatchObject([{ topic: missingTopic, messages: expect.any(Number) }])
  expect((consumers as Json[])[0]).toMatchObject({ waiting: 10, behind: { reason: expect.any(String) } })
})

test('a replay is counted before it begins', patient, async () => {
  for (const [name, filter] of Object.entries({
    'an hour': { from: Date.now() - 24 * 3_600_000, to: Date.now() - 23 * 3_600_000 },
    'a topic of three days': { ...threeDays(), topic: 'orders' },
    everything: threeDays(),
  })) {
    const plan = await timed(`replay, count of ${name}`, () => ask<{ messages: number }>('replays/plan', filter))
    expect(plan.messages).toBeGreaterThan(0)
  }
  expect(await timed('replay, list', () => ask('replays'))).toEqual([])
})

test('the doctor looks at everything', patient, async () => {
  const reports = await timed('doctor (it waits 2,000 ms between two looks)', () => ask<Json[]>('doctor'))
  expect(reports.find(({ check }) => check === 'lag does not grow')).toMatchObject({ state: 'fine' })
})

test('the command line tells the same', patient, async () => {
  const status = await timed('oncebox status --json, the process', async () => {
    const args = [command, 'status', '--json', '--database-url', url]
    // Dead letters are a problem: exit 1.
    const { stdout } = await promisify(execFile)(process.execPath, args).catch((error: { stdout: string }) => error)
    return JSON.parse(stdout)
  })
  expect(status.lanes).toMatchObject([{ waiting, waitingExact: true }])
})

test.skipIf(browserMissing())('the page opens on it', patient, async () => {
  const server = createServer(nodeHandler(dashboard))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const browser = await openBrowser()
  try {
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const open = async () => {
      const context = await browser.newContext()
      const page = await context.newPage()
      await page.goto(address)
      await page.locator('.flow').waitFor()
      const sinceNavigation = Number(await page.evaluate('performance.now()'))
      await context.close()
      return sinceNavigation
    }
    expect(await timed('first view of the page, in Chromium', open, (ms) => ms)).toBeGreaterThan(0)
  } finally {
    await browser.close()
    server.closeAllConnections()
    server.close()
  }
})
