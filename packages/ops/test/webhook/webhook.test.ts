import { createHmac } from 'node:crypto'
import type { Logger } from '@oncebox/core'
import type { ConsumerEvent } from '@oncebox/inbox'
import { type WebhookNotifier, type WebhookOptions, webhookNotifier } from '@oncebox/ops/webhook'
import { until } from '@oncebox/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { type Receiver, startReceiver } from './receiver.js'

const secret = 'a secret of the test'
const reference = { topic: 'orders', partition: 2, offset: '7', messageId: 'id-1', messageType: 'order.created' }
const deadLetter = (own: Partial<typeof reference & { reason: string }> = {}): ConsumerEvent => ({
  type: 'deadLettered',
  reason: 'HANDLER_FAILED',
  ...reference,
  ...own,
})

function notify(receiver: Receiver, own: Partial<WebhookOptions> = {}): WebhookNotifier & { logged: string[] } {
  const logged: string[] = []
  const log = (...line: unknown[]) => logged.push(JSON.stringify(line))
  const logger: Logger = { debug: log, info: log, warn: log, error: log }
  const quick = { gatherMs: 0, everyMs: 20, timeoutMs: 20_000, backoff: { minMs: 5, maxMs: 20 } }
  const notifier = webhookNotifier({ url: receiver.url, secret, from: 'test', logger, ...quick, ...own })
  onTestFinished(() => notifier.stop({ deadlineMs: 0 }))
  return { ...notifier, logged }
}

const told = (receiver: Receiver, problem: string) =>
  receiver.accepted.flatMap(({ notices }) => notices).filter((notice) => notice.problem === problem)
const sum = (notices: readonly { count: number }[]) => notices.reduce((total, { count }) => total + count, 0)

test('a dead letter is told with where, which, why and what to run, signed, and nothing more', async () => {
  await using receiver = await startReceiver()
  const notifier = notify(receiver)
  notifier.consumerEvents('billing')(deadLetter())
  await until(() => receiver.accepted.length === 1, { what: 'the request' })
  const { body, headers, ...parsed } = receiver.accepted[0] as (typeof receiver.accepted)[0]
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/)
  expect(parsed).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    at: time,
    from: 'test',
    notices: [
      {
        problem: 'dead_letter',
        count: 1,
        code: 'HANDLER_FAILED',
        group: 'billing',
        lane: null,
        topic: 'orders',
        example: { messageId: 'id-1', messageType: 'order.created', partition: 2, offset: '7' },
        next: 'oncebox dead list --group billing --topic orders --code HANDLER_FAILED',
        firstAt: time,
        lastAt: time,
      },
    ],
  })
  const [, seconds, digest] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['oncebox-signature'])) ?? []
  expect(Math.abs(Number(seconds) - Date.now() / 1_000)).toBeLessThan(60)
  expect(digest).toBe(createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex'))
  expect(headers['content-type']).toBe('application/json')
})

test('a storm of 10,000 dead letters is a handful of requests, which say how many', async () => {
  await using receiver = await startReceiver()
  const notifier = notify(receiver, { everyMs: 600_000 })
  const tell = notifier.consumerEvents('billing')
  for (let n = 0; n < 10_000; n++) {
    tell(deadLetter({ messageId: `id-${n}`, topic: `orders-${n % 3}` }))
    if (n === 10) await until(() => receiver.accepted.length === 1, { what: 'the first notices to be told at once' })
  }
  await notifier.stop({ deadlineMs: 20_000 })
  expect(receiver.requests).toHaveLength(2)
  expect(sum(told(receiver, 'dead_letter'))).toBe(10_000)
})

test('more kinds of notices than fit are told together, and none is lost', async () => {
  await using receiver = await startReceiver()
  const notifier = notify(receiver, { gatherMs: 60_000 })
  const tell = notifier.consumerEvents('billing')
  for (let n = 0; n < 1_000; n++) tell(deadLetter({ topic: `topic-${n}` }))
  await notifier.stop()
  expect(receiver.requests).toHaveLength(1)
  const notices = told(receiver, 'dead_letter')
  expect(notices).toHaveLength(101)
  expect(notices.at(-1)).toMatchObject({ count: 900, topic: null, example: null })
  expect(sum(notices)).toBe(1_000)
})

test('a receiver that fails, hangs, breaks off and redirects gets the same request until it accepts it', async () => {
  await using receiver = await startReceiver()
  await using elsewhere = await startReceiver()
  const notifier = notify(receiver, { timeoutMs: 5_000 })
  const tell = notifier.consumerEvents('billing')
  let tries = 0
  for (const answer of [500, 'hang', 'cut', 404] as const) {
    receiver.answer = answer
    if (tries === 0) tell(deadLetter())
    tries++
    await until(() => receiver.requests.length >= tries, { what: `a request that is answered by ${answer}` })
    tries = receiver.requests.length
  }
  receiver.answer = (response) => response.writeHead(307, { location: elsewhere.url }).end()
  await until(() => receiver.requests.length > tries, { what: 'a request that is redirected' })
  // What comes meanwhile waits for the next one.
  tell({ type: 'blocked', reason: 'UNKNOWN_MESSAGE_TYPE', ...reference })
  receiver.answer = 200
  await until(() => told(receiver, 'blocked').length === 1, { what: 'both notices' })
  expect(told(receiver, 'dead_letter')).toHaveLength(1)
  expect(told(receiver, 'blocked')).toMatchObject([{ count: 1, next: 'oncebox show id-1' }])
  const [first] = receiver.requests
  const again = receiver.requests.filter(({ id }) => id === first?.id)
  expect(again.length).toBeGreaterThan(5)
  expect(new Set(again.map(({ body }) => body)).size).toBe(1)
  expect(elsewhere.requests).toEqual([])
  for (const reason of ['HTTP 500', 'TimeoutError', 'HTTP 404', 'HTTP 307']) {
    expect(notifier.logged.join()).toContain(reason)
  }
  expect(notifier.logged.join()).not.toMatch(/canary|127\.0\.0\.1/)
})

test('a stop ends in time although nobody answers, and says how many were not told; afterwards nothing is taken', async () => {
  await using receiver = await startReceiver()
  receiver.answer = 'hang'
  const notifier = notify(receiver, { timeoutMs: 60_000 })
  const tell = notifier.consumerEvents('billing')
  tell(deadLetter())
  await until(() => receiver.requests.length === 1, { what: 'the request' })
  for (let n = 0; n < 4; n++) tell(deadLetter())
  await notifier.stop({ deadlineMs: 50 })
  const lost = notifier.logged.map((line) => JSON.parse(line)[0].count).filter((count) => count !== undefined)
  expect(lost).toEqual([1, 4])
  tell(deadLetter())
  await notifier.stop()
  expect(receiver.requests).toHaveLength(1)
})

test('a stop does not wait for the next turn, nor for the pause after a failure', async () => {
  await using receiver = await startReceiver()
  receiver.answer = 503
  const notifier = notify(receiver, { backoff: { minMs: 600_000, maxMs: 600_000 }, everyMs: 600_000 })
  const tell = notifier.consumerEvents('billing')
  tell(deadLetter())
  await until(() => notifier.logged.length === 1, { what: 'the failure' })
  tell(deadLetter({ topic: 'other' }))
  receiver.answer = 200
  await notifier.stop({ deadlineMs: 20_000 })
  expect(told(receiver, 'dead_letter').map(({ topic }) => topic)).toEqual(['orders', 'other'])
})

test('a relay tells what it moved aside, missing topics and a copied database; that it is stuck after a while only', async () => {
  await using receiver = await startReceiver()
  let now = 1_000_000
  const clock = { now: () => now, sleep: () => Promise.resolve() }
  const notifier = notify(receiver, { clock, stuckAfterMs: 60_000 })
  const { relayEvents } = notifier
  relayEvents({ event: 'parked', lane: 1, topic: "it's", count: 5, code: 'RECORD_TOO_LARGE' })
  relayEvents({ event: 'parked', lane: 1, topic: 'paused by an operator', count: 5, code: 'PAUSED' })
  relayEvents({ event: 'topic_missing', lane: 1, topic: 'nowhere' })
  relayEvents({ event: 'identity_changed' })
  relayEvents({ event: 'published', lane: 0, count: 3, waitedMs: 1, trace: null })
  const failed = { event: 'publish_failed', lane: 0, count: 9, code: 'TRANSPORT_UNREACHABLE' } as const
  relayEvents(failed)
  now += 59_999
  relayEvents(failed)
  relayEvents({ event: 'published', lane: 1, count: 1, waitedMs: 1, trace: null })
  await until(() => sum(receiver.accepted.flatMap(({ notices }) => notices)) === 7, { what: 'what was moved aside' })
  expect(told(receiver, 'parked')).toMatchObject([{ count: 5, lane: 1, topic: "it's", code: 'RECORD_TOO_LARGE' }])
  expect(told(receiver, 'topic_missing')).toMatchObject([{ topic: 'nowhere' }])
  expect(told(receiver, 'database_changed')).toHaveLength(1)
  expect(told(receiver, 'relay_stuck')).toEqual([])
  now += 1
  relayEvents(failed)
  await until(() => told(receiver, 'relay_stuck').length === 1, { what: 'that it is stuck' })
  expect(told(receiver, 'relay_stuck')).toMatchObject([{ lane: 0, code: 'TRANSPORT_UNREACHABLE' }])
  relayEvents({ event: 'published', lane: 0, count: 9, waitedMs: 1, trace: null })
  relayEvents(failed)
  await notifier.stop()
  expect(told(receiver, 'relay_stuck')).toHaveLength(1)
})

test('names that a shell would take apart are quoted in the command', async () => {
  await using receiver = await startReceiver()
  const notifier = notify(receiver)
  notifier.consumerEvents("it's $(mine)")(deadLetter())
  await until(() => receiver.accepted.length === 1, { what: 'the request' })
  expect(told(receiver, 'dead_letter')[0]?.next).toContain(`--group 'it'\\''s $(mine)' --topic orders`)
})

test.each([
  ['no address', { url: 'example.com' }],
  ['another protocol', { url: 'file:///etc/passwd' }],
  ['a short secret', { secret: 'short' }],
  ['a time that is none', { everyMs: -1 }],
  ['a secret that is no text', { secret: 5 as never }],
  ['a timeout that no timer can hold', { timeoutMs: 2 ** 31 }],
  ['a logger that cannot warn', { logger: {} as never }],
])('%s is an invalid setting', (_what, own) => {
  const options = { url: 'https://example.com', secret, ...own }
  expect(() => webhookNotifier(options)).toThrow(expect.objectContaining({ code: 'INVALID_SETTING' }))
})
