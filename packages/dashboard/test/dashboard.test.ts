import { createDashboard, type DashboardOptions, loopbackAccess, tokenAccess } from '@oncebox/dashboard'
import { migrate } from '@oncebox/schema'
import { type TestDatabase, testDatabase } from '@oncebox/testkit/harness'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
  const client = await database.pool.connect()
  await migrate(client)
  await client.query(`
    INSERT INTO oncebox.dead_letter (record_time, partition, attempts, consumer, source, message_id, topic, type, reason, headers, payload)
    VALUES (now(), 0, 3, 'billing', 'shop', 'm1', 'orders', 'order.created', 'HANDLER_FAILED', '[]', 'canary')`)
  client.release()
})
afterAll(() => database?.drop())

const own = { 'content-type': 'application/json', 'x-oncebox-action': '1', 'sec-fetch-site': 'same-origin' }

function dashboard(options: Partial<DashboardOptions> = {}) {
  const access = () => ({ name: 'ada', mayAct: true, maySeePayloads: true })
  return createDashboard({ pool: database.pool, access, actions: true, ...options })
}

function act(
  path: string,
  fields: object,
  options: Partial<DashboardOptions> = {},
  headers: Record<string, string> = own,
) {
  const body = JSON.stringify(fields)
  return dashboard(options).fetch(
    new Request(`http://localhost/api/actions/${path}`, { method: 'POST', body, headers }),
  )
}

/** Every action, with fields by which it changes nothing. */
const actions: Readonly<Record<string, object>> = {
  'dead-letters/retry': { group: 'nobody' },
  'dead-letters/discard': { group: 'nobody', why: 'a test' },
  'pauses/resume': { lane: 0 },
  replays: { topic: 'nothing' },
}

const get = (path: string, options: Partial<DashboardOptions> = {}) =>
  dashboard(options).fetch(new Request(`http://localhost${path}`))

test('every answer forbids what a page could load from elsewhere, and answers about data are not kept', async () => {
  const page = await get('/')
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(page.headers.get('x-frame-options')).toBe('DENY')
  expect(await page.text()).not.toMatch(/<script(?! type="module" crossorigin src="\.\/)|https?:|style=/)
  for (const path of ['/api/me', '/api/nothing', '/nothing']) {
    expect((await get(path)).headers.get('content-security-policy')).toContain("default-src 'none'")
  }
  expect((await get('/api/me')).headers.get('cache-control')).toBe('no-store')
})

test('whoever is not let in sees nothing, not even the page', async () => {
  for (const path of ['/', '/api/me', '/api/live', '/api/dead-letters/1']) {
    const refused = await get(path, { access: () => null })
    expect(refused.status).toBe(401)
    expect(await refused.text()).not.toContain('canary')
  }
})

describe.each(Object.entries(actions))('the action %s', (path, fields) => {
  test('is carried out for those who may, from the page itself', async () => {
    expect((await act(path, fields)).status).toBe(200)
  })

  test('is refused where the dashboard allows none, and to those who may only look', async () => {
    expect((await act(path, fields, { actions: false })).status).toBe(403)
    expect((await act(path, fields, { access: () => ({ name: 'bob' }) })).status).toBe(403)
  })

  test.each([
    ['another site', { ...own, 'sec-fetch-site': 'cross-site' }],
    ['another origin', { ...own, origin: 'http://evil.example' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['a request without its header', { 'content-type': 'application/json' }],
  ])('is refused when it comes from %s', async (_, headers) => {
    expect((await act(path, fields, {}, headers)).status).toBe(403)
  })
})

describe('an action', () => {
  test('pauses and resumes a lane or a topic once, and keeps who it was and why', async () => {
    const changed = async (path: string, fields: object) =>
      ((await (await act(path, fields)).json()) as { changed: object[] }).changed
    expect(await changed('pauses', { topic: 'orders', why: 'broker upgrade' })).toEqual([{ topic: 'orders' }])
    expect(await changed('pauses', { topic: 'orders' })).toEqual([])
    expect(await changed('pauses', { lane: 0 })).toEqual([{ lane: 0 }])
    expect(await changed('pauses/resume', { lane: 0 })).toEqual([{ lane: 0 }])
    expect(await changed('pauses/resume', { topic: 'orders', why: 'done' })).toEqual([{ topic: 'orders' }])
    const { rows } = await database.pool.query(
      'SELECT topic, paused_by, paused_why, resumed_by, resumed_why FROM oncebox.pause ORDER BY number LIMIT 1',
    )
    const ada = { paused_by: 'ada', resumed_by: 'ada' }
    expect(rows).toEqual([{ topic: 'orders', ...ada, paused_why: 'broker upgrade', resumed_why: 'done' }])
    for (const wrong of [{}, { lane: 0, topic: 'orders' }, { lane: 99 }, { lane: 'x' }]) {
      expect((await act('pauses', wrong)).status).not.toBe(200)
    }
    expect((await database.pool.query('SELECT FROM oncebox.pause')).rowCount).toBe(2)
  })

  test('has one group handle messages again only with a reason, which is kept with who it was', async () => {
    await database.pool.query(`SELECT oncebox.emit('orders', 'again', 'note', 'text'::text)`)
    const fields = { topic: 'orders', group: 'billing' }
    expect((await act('replays', fields)).status).toBe(400)
    expect((await act('replays', { ...fields, why: 'rates were wrong', database: 'elsewhere' })).status).toBe(400)
    const started = await act('replays', { ...fields, why: 'rates were wrong' })
    expect(await started.json()).toMatchObject({ group: 'billing', messages: 1, exact: true, by: 'ada' })
    const { rows } = await database.pool.query('SELECT consumer, asked_by, why, messages FROM oncebox.replay_run')
    expect(rows).toEqual([{ consumer: 'billing', asked_by: 'ada', why: 'rates were wrong', messages: 1 }])
  })

  test('needs a reason to discard, and keeps it with who it was', async () => {
    const discard = (why?: string) =>
      dashboard().fetch(
        new Request('http://localhost/api/actions/dead-letters/discard', {
          method: 'POST',
          headers: own,
          body: JSON.stringify({ numbers: ['1'], why }),
        }),
      )
    expect((await discard()).status).toBe(400)
    expect(await (await discard('a test')).json()).toEqual({ numbers: ['1'] })
    const { rows } = await database.pool.query('SELECT action, done_by, why FROM oncebox.dead_letter_action')
    expect(rows).toEqual([{ action: 'discard', done_by: 'ada', why: 'a test' }])
  })
})

test('without the right to payloads there is none in any answer', async () => {
  const access = () => ({ name: 'bob' })
  await database.pool.query(`SELECT oncebox.emit('orders', 'k', 'note', 'canary'::text)`)
  const search = await dashboard({ access }).fetch(
    new Request('http://localhost/api/messages/search', { method: 'POST', headers: own, body: '{"key": "k"}' }),
  )
  const { messages } = (await search.json()) as { messages: { position: string; id: string }[] }
  expect(messages).toHaveLength(1)
  const [{ position, id }] = messages as [{ position: string; id: string }]
  expect((await get(`/api/bodies/${position}`, { access })).status).toBe(403)
  expect(await (await get(`/api/messages/${id}`, { access })).text()).not.toContain('canary')
  expect(await (await get(`/api/bodies/${position}`)).json()).toMatchObject({ bytes: 6 })
})

test('what cannot be understood is refused with what is wrong, and says nothing of the database', async () => {
  const answer = async (body: string) =>
    dashboard().fetch(new Request('http://localhost/api/messages/search', { method: 'POST', headers: own, body }))
  for (const body of [
    '',
    'no json',
    '[]',
    '{"topic": 5}',
    '{"from": "x"}',
    '{"limit": 100000}',
    '{"key": "\\u0000"}',
  ]) {
    const refused = await answer(body)
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ code: 'INVALID_SETTING' })
  }
  expect((await get('/api/messages/%00')).status).toBe(400)
  const after = new Request('http://localhost/api/dead-letters/search', {
    method: 'POST',
    headers: own,
    body: '{"after": "x"}',
  })
  expect((await dashboard().fetch(after)).status).toBe(400)
  const unmigrated = await get('/api/dead-letter-groups', { schema: 'elsewhere' })
  expect(unmigrated.status).toBe(409)
  expect(await unmigrated.json()).toMatchObject({ code: 'SCHEMA_NOT_MIGRATED' })
})

test('a consumer with a database of its own is shown and mended beside the others; one that is away is said', async () => {
  await using billing = await testDatabase()
  const client = await billing.pool.connect()
  await migrate(client)
  await client.query(`
    INSERT INTO oncebox.dead_letter (record_time, partition, attempts, consumer, source, message_id, topic, type, reason, headers)
    VALUES (now(), 0, 3, 'billing-2', 'shop', 'm7', 'orders', 'order.created', 'HANDLER_FAILED', '[]')`)
  client.release()
  const gone = new pg.Pool({ host: '127.0.0.1', port: 1 })
  const one = dashboard({ consumers: { billing: billing.pool, gone }, refreshMs: 200 })
  const groups = await dashboard({ consumers: { billing: billing.pool } }).fetch(
    new Request('http://localhost/api/dead-letter-groups'),
  )
  expect(await groups.json()).toMatchObject([{ group: 'billing-2', database: 'billing', letters: 1 }])
  const effects = await dashboard({ consumers: { billing: billing.pool } }).fetch(
    new Request('http://localhost/api/messages/m7'),
  )
  expect(await effects.json()).toMatchObject({ known: true, effects: [{ group: 'billing-2', database: 'billing' }] })

  const live = await one.fetch(new Request('http://localhost/api/live'))
  const reader = (live.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  const { value } = await reader.read()
  await reader.cancel()
  const picture = JSON.parse(/^data: (.*)$/m.exec(value ?? '')?.[1] ?? 'null')
  expect(picture.consumers).toMatchObject([{ group: 'billing-2', database: 'billing', deadLetters: 1 }])
  expect(picture.problems).toContainEqual(expect.objectContaining({ database: 'gone', code: 'DATABASE_UNREACHABLE' }))

  const retry = (database: string, page: { after?: string } = {}) =>
    one.fetch(
      new Request('http://localhost/api/actions/dead-letters/retry', {
        method: 'POST',
        headers: own,
        body: JSON.stringify({ numbers: ['1'], database, ...page }),
      }),
    )
  expect((await retry('elsewhere')).status).toBe(400)
  expect(await (await retry('billing', { after: '1' })).json()).toEqual({ numbers: [] })
  expect(await (await retry('billing')).json()).toEqual({ numbers: ['1'] })
  await gone.end()
})

describe('who is let in', () => {
  const request = (url: string, authorization?: string) =>
    new Request(url, authorization === undefined ? {} : { headers: { authorization } })
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

  test('loopback only by a name of this machine: another name is a page of somebody else', () => {
    const access = loopbackAccess('ada', { mayAct: true })
    for (const host of ['localhost:8080', '127.0.0.1', '[::1]:80', 'box.localhost']) {
      expect(access(request(`http://${host}/`))).toMatchObject({ name: 'ada', mayAct: true })
    }
    for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', '10.0.0.1']) {
      expect(access(request(`http://${host}/`))).toBeNull()
    }
  })

  test('a token only by the token', () => {
    const access = tokenAccess('0123456789abcdef', {})
    expect(access(request('http://h/', basic('ada:0123456789abcdef')))).toMatchObject({ name: 'ada' })
    expect(access(request('http://h/', basic(':0123456789abcdef')))).toMatchObject({ name: 'somebody with the token' })
    for (const wrong of [
      undefined,
      'Bearer 0123456789abcdef',
      basic('ada:0123456789abcdeF'),
      basic('ada'),
      'Basic ü',
    ]) {
      expect(access(wrong === 'Basic ü' ? request('http://h/') : request('http://h/', wrong))).toBeNull()
    }
    expect(() => tokenAccess('short', {})).toThrow(/openssl rand/)
  })
})

test('it opens with clear settings or not at all', () => {
  const invalid = expect.objectContaining({ code: 'INVALID_SETTING' })
  const access = () => null
  for (const options of [
    { access: undefined as never },
    { access, refreshMs: 10 },
    { access, basePath: 'admin' },
    { access, schema: '' },
    { access, retentionMs: Number.NaN },
    { access, consumers: { billing: 'postgres://localhost' } as never },
    { access, actions: 'yes' as never },
    { access, inspector: {} as never },
  ]) {
    expect(() => createDashboard({ pool: database.pool, ...options })).toThrow(invalid)
  }
})
