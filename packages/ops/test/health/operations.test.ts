import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { databaseReadiness, type OperationsOptions, operations } from '@oncebox/ops'
import { prometheusMetrics } from '@oncebox/ops/prometheus'
import { describe, expect, onTestFinished, test } from 'vitest'

type Get = (path: string, init?: RequestInit) => Promise<Response>

async function served(listener: RequestListener): Promise<Get> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init)
}

const mounts: Readonly<Record<string, (options: OperationsOptions) => Promise<Get>>> = {
  'Request and Response': async (options) => {
    const { fetch: answer } = operations(options)
    return (path, init) => answer(new Request(`http://service.internal${path}`, init))
  },
  'node:http': async (options) => {
    const { node } = operations(options)
    return served((request, response) => void node(request, response))
  },
}

describe.each(Object.entries(mounts))('probes and metrics through %s', (_name, mount) => {
  test('a process that can do its work is ready, one that cannot says why, and both are alive', async () => {
    let trouble: string | null = null
    const get = await mount({ ready: [{ name: 'relay', check: () => trouble }] })
    expect([(await get('/livez')).status, (await get('/readyz')).status]).toEqual([200, 200])
    trouble = 'lane 0 was interrupted'
    const response = await get('/readyz')
    expect([response.status, await response.text()]).toEqual([503, 'not ready\nrelay: lane 0 was interrupted\n'])
    expect((await get('/livez')).status).toBe(200)
  })

  test('a check that throws or never answers is not passed, and its words stay inside', async () => {
    const get = await mount({
      deadlineMs: 20,
      ready: [
        { name: 'first', check: () => Promise.reject(new TypeError('canary-password')) },
        databaseReadiness({ query: () => new Promise(() => {}) }),
      ],
    })
    const response = await get('/readyz')
    expect([response.status, await response.text()]).toEqual([
      503,
      'not ready\nfirst: failed with TypeError\ndatabase: does not answer\n',
    ])
  })

  test('it answers under any path it is mounted at, to GET and HEAD, and to nothing else', async () => {
    const get = await mount({ metrics: prometheusMetrics() })
    const metrics = await get('/internal/metrics?name=x')
    expect(metrics.headers.get('content-type')).toContain('application/openmetrics-text')
    expect(await metrics.text()).toContain('# TYPE oncebox_relay_holds_lease gauge')
    const head = await get('/internal/livez', { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
    expect((await get('/livez', { method: 'POST' })).status).toBe(405)
    expect((await get('/')).status).toBe(404)
    expect((await get('/metrics/more')).status).toBe(404)
  })

  test('metrics that cannot be read are an error of the server, without its text', async () => {
    const get = await mount({ metrics: { contentType: 'text/plain', text: () => Promise.reject(new Error('canary')) } })
    const response = await get('/metrics')
    expect([response.status, await response.text()]).toEqual([500, 'the metrics could not be read\n'])
  })
})

test('what is no probe goes on to the next handler of an application', async () => {
  const { node } = operations({})
  const get = await served((request, response) => void node(request, response, () => response.end('the application')))
  expect(await (await get('/orders')).text()).toBe('the application')
  expect(await (await get('/livez')).text()).toBe('alive\n')
})
