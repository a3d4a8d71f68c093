import { expect, test } from 'vitest'
import { oncebox, startOncebox } from './oncebox.js'
import { migratedDatabase } from './outbox.js'

test('oncebox dashboard serves the page to this machine, read-only, until it is stopped', async () => {
  await using database = await migratedDatabase()
  const { environment } = database
  const running = startOncebox(['dashboard', '--port', '0', '--json'], { environment })
  const { url } = await running.event(({ event }) => event === 'ready')
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/)
  const page = await fetch(url as string)
  expect(await page.text()).toContain('<title>oncebox</title>')
  expect(await (await fetch(`${url}api/me`)).json()).toMatchObject({ mayAct: false, maySeePayloads: false })
  running.process.kill('SIGTERM')
  expect(await running.ended).toMatchObject({ code: 0, stderr: '' })
})

test('with a token it asks for it, and lets in nobody else; the token is in no output', async () => {
  await using database = await migratedDatabase()
  const token = 'canary0123456789'
  const environment = { ...database.environment, ONCEBOX_DASHBOARD_TOKEN: token }
  const args = ['dashboard', '--host', '0.0.0.0', '--port', '0', '--actions', '--payloads', '--json']
  const running = startOncebox(args, { environment })
  const { url } = await running.event(({ event }) => event === 'ready')
  const me = (headers: Record<string, string>) =>
    fetch(`${String(url).replace('0.0.0.0', '127.0.0.1')}api/me`, { headers })
  const refused = await me({})
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
    401,
    'Basic realm="oncebox", charset="UTF-8"',
  ])
  const letIn = await me({ authorization: `Basic ${btoa(`ada:${token}`)}` })
  expect(await letIn.json()).toMatchObject({ name: 'ada', mayAct: true, maySeePayloads: true })
  running.process.kill('SIGTERM')
  const { code, stdout, stderr } = await running.ended
  expect(code).toBe(0)
  expect(stdout + stderr).not.toContain(token)
})

test('it does not let others in without a token, and says so when a port is taken', async () => {
  await using database = await migratedDatabase()
  const { environment } = database
  const open = await oncebox(['dashboard', '--host', '0.0.0.0', '--port', '0'], { environment })
  expect(open).toMatchObject({ code: 2, stdout: '' })
  expect(open.stderr).toContain('ONCEBOX_DASHBOARD_TOKEN')
  const running = startOncebox(['dashboard', '--port', '0', '--json'], { environment })
  const { url } = await running.event(({ event }) => event === 'ready')
  const taken = await oncebox(['dashboard', '--port', new URL(url as string).port], { environment })
  expect(taken).toMatchObject({ code: 2 })
  expect(taken.stderr).toContain('EADDRINUSE')
})
