import { createHmac } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { defineMessages } from '@oncebox/core'
import { pgDatabase } from '@oncebox/core/pg'
import { createConsumer, deadLetter } from '@oncebox/inbox'
import { webhookNotifier } from '@oncebox/ops/webhook'
import { createRelay } from '@oncebox/relay'
import { until } from '@oncebox/testkit'
import { memoryTransport } from '@oncebox/transport/memory'
import { expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { codeBlocks, page, root } from './docs/pages.js'
import { oncebox } from './oncebox.js'
import { emitSql, migratedDatabase } from './outbox.js'

const secret = 'canary-secret-of-the-webhook'

interface Receiver {
  isGenuine(body: Buffer, signature: string, secret: string): boolean
  readonly server: Server
}

/** The receiver as docs/webhook.md has it. */
async function documentedReceiver(): Promise<Receiver> {
  const code = codeBlocks(page('docs/webhook.md')).find((block) => block.code.startsWith('// receiver.ts'))?.code ?? ''
  const parent = join(root, 'packages/cli/.cache')
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(join(parent, 'receiver-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'receiver.ts'), code)
  return import(pathToFileURL(join(folder, 'receiver.ts')).href)
}

test('the relay tells the documented receiver what it moved aside, and the receiver believes nobody else', async () => {
  const { server, isGenuine } = await documentedReceiver()
  vi.stubEnv('WEBHOOK_SECRET', secret)
  const said: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => said.push(line))
  onTestFinished(() => {
    log.mockRestore()
    vi.unstubAllEnvs()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=canary-token`

  await using database = await migratedDatabase()
  await emitSql(database, { topic: 'without-a-group', key: 'canary-key', payload: 'canary-payload' }, 3)
  const relay = ['relay', '--transport', 'pg-boss', '--topic', 'orders=billing', '--until-idle', '--log-level', 'debug']
  const environment = { ...database.environment, ONCEBOX_WEBHOOK_URL: url, ONCEBOX_WEBHOOK_SECRET: secret }
  const { code, stdout, stderr } = await oncebox(relay, { environment })
  expect(code).toBe(1)
  expect(said.join('\n')).toContain('3 × parked: oncebox doctor')
  expect(said.join('\n')).not.toContain('canary')
  expect(stdout + stderr).not.toContain('canary')

  const before = said.length
  const send = (body: string, signature: string) =>
    fetch(url, { method: 'POST', body, headers: { 'oncebox-signature': signature } }).then(({ status }) => status)
  const sign = (body: string, seconds: number, own = secret) =>
    `t=${seconds},v1=${createHmac('sha256', own).update(`${seconds}.${body}`).digest('hex')}`
  const body = JSON.stringify({ id: '1', notices: [{ problem: 'blocked', count: 1, next: 'x' }] })
  const now = Math.floor(Date.now() / 1_000)
  expect(await send(body, sign(body, now, 'somebody else'))).toBe(401)
  expect(await send(body, sign(body, now - 3_600))).toBe(401)
  expect(await send(`${body} `, sign(body, now))).toBe(401)
  expect(await send(body, 'nonsense')).toBe(401)
  expect(isGenuine(Buffer.from(body), sign(body, now), secret)).toBe(true)
  expect(said).toHaveLength(before)
  // A request that comes a second time is accepted, and told once.
  for (let twice = 0; twice < 2; twice++) expect(await send(body, sign(body, now))).toBe(204)
  await until(() => said.length === before + 1, { what: 'the genuine one to be told' })
})

test('a consumer that gives up 100 messages is not held up by a receiver that hangs, and all are told when it answers', async () => {
  let answers = false
  let asked = 0
  // By the request's id: one that was accepted too late for its sender comes again.
  const counts = new Map<string, number>()
  const told = () => [...counts.values()].reduce((sum, count) => sum + count, 0)
  const server = createServer(async (request, response) => {
    asked++
    let body = ''
    for await (const chunk of request) body += chunk
    if (!answers) return
    const { id, notices } = JSON.parse(body) as { id: string; notices: { count: number }[] }
    const [count = 0] = notices.map((notice) => notice.count)
    counts.set(id, count)
    response.writeHead(204).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await using database = await migratedDatabase()
  const transport = memoryTransport({ partitions: 1 })
  transport.createTopic('orders')
  await emitSql(database, { topic: 'orders', key: null, type: 'ordered', payload: 'null' }, 100)
  await createRelay({ pool: database.pool, publisher: transport.publisher() }).drain()
  const notifier = webhookNotifier({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    secret,
    ...{ gatherMs: 0, everyMs: 0, timeoutMs: 100, backoff: { minMs: 10, maxMs: 20 } },
  })
  const consumer = createConsumer({
    db: pgDatabase(database.pool),
    subscriber: transport.subscriber(),
    group: 'billing',
    messages: defineMessages({ ordered: { topic: 'orders', schema: z.unknown() } }),
    handlers: { ordered: () => deadLetter('not wanted') },
    poison: 'skip',
    onEvent: notifier.consumerEvents('billing'),
  })
  try {
    await consumer.start()
    await until(() => transport.committed('billing', 'orders', 0) === 100, {
      what: 'the consumer to be through',
      deadlineMs: 25_000,
    })
    await until(() => asked >= 2, { what: 'the receiver to be asked again' })
    expect(told()).toBe(0)
    answers = true
    await until(() => told() === 100, { what: 'all to be told' })
    expect(consumer.counters().deadLettered).toBe(100)
  } finally {
    await consumer.stop()
    await notifier.stop()
    server.closeAllConnections()
    server.close()
  }
})

test.each([
  ['no secret', 'https://example.com', undefined],
  ['a short secret', 'https://example.com', 'canary'],
  ['an address that is none', 'canary', secret],
])('a webhook with %s is a usage error', async (_what, url, own) => {
  const environment = own === undefined ? {} : { ONCEBOX_WEBHOOK_SECRET: own }
  const { code, stdout, stderr } = await oncebox(['relay', '--brokers', '127.0.0.1:1', '--webhook-url', url], {
    environment,
  })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('webhook')
  expect(stderr).not.toContain('canary')
})
