import type { Logger } from '@oncebox/core'
import { kafka } from '@oncebox/kafka'
import { createRelay } from '@oncebox/relay'
import pg from 'pg'
import { victimTuning } from '../crashes/victimOptions.js'
import { createBilling } from '../shop/billing.js'
import type { GuestOptions } from './guestOptions.js'

// A relay or a consumer in a process of its own, until SIGTERM. Its clock may be off.

const options = JSON.parse(process.argv[2] ?? '{}') as GuestOptions
const { retentionMs, leafWidthMs, sessionTimeoutMs = victimTuning.sessionTimeoutMs } = options
const now = Date.now
Date.now = () => now() + options.skewMs

const pool = new pg.Pool({ connectionString: options.url, max: 4 })
pool.on('error', () => undefined)
const say = (line: string): boolean => process.stdout.write(`${line}\n`)
// For whoever has to find out why nothing goes on.
const tell = (fields: object, message: string): boolean =>
  say(JSON.stringify({ at: new Date(now()), message, ...fields }))
const logger: Logger = { debug: tell, info: tell, warn: tell, error: tell }
const transport = kafka({ brokers: options.brokers, ...victimTuning, sessionTimeoutMs, logger })

const consumer = createBilling({ pool, subscriber: transport, ...options, logger, onReceived: () => say('working') })
const relay = createRelay({
  pool,
  publisher: transport,
  leaseMs: victimTuning.leaseMs,
  ...(retentionMs === undefined ? {} : { retentionMs }),
  ...(leafWidthMs === undefined ? {} : { leafWidthMs }),
  reclaimEveryMs: 1_000,
  onEvent(event) {
    if (event.event === 'published') say('working')
    else if (!['reclaimed', 'released'].includes(event.event)) tell({}, event.event)
  },
})
const { start, stop } =
  options.role === 'relay'
    ? { start: () => relay.start(), stop: () => relay.stop({ deadlineMs: 5_000 }) }
    : { start: () => consumer.start(), stop: () => consumer.stop({ deadlineMs: 5_000 }) }

process.once('SIGTERM', async () => {
  // What does not end in time is ended: the others carry on.
  await stop().catch(() => undefined)
  process.exit(0)
})
await start()
say('started')
