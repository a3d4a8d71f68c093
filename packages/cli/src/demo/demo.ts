import type { Logger, Tx } from '@oncebox/core'
import { installed } from '../command/installed.js'
import { isSound, settle } from './account.js'
import { faultPlan } from './faultPlan.js'
import { liveThrough } from './faultyDay.js'
import { openTransport } from './openTransport.js'
import { createScreen, type Screen, type ScreenOptions } from './screen.js'
import type { ServiceSetup } from './serviceSetup.js'
import { type Stage, setUpStage } from './stage.js'
import { createStory } from './story.js'
import { readBalances, readLedger, readOrders } from './tables.js'
import { viewTransport } from './transportView.js'

export interface DemoOptions {
  /** How many orders are placed. */
  readonly messages: number
  /** Picks the faults: the same seed plans the same ones. */
  readonly seed: number
  /** A real Kafka instead of pg-boss: the one of `KAFKA_BROKERS` where that is set, otherwise one that is launched. */
  readonly kafka: boolean
  /** Serves the dashboard on loopback meanwhile, and after the account until the demo is interrupted. Default false. */
  readonly dashboard?: boolean
  /** The account as one line of JSON on standard output, and nothing else there. */
  readonly json: boolean
  readonly logger: Logger
  /** Where the run is shown. Default: standard output, or standard error where standard output holds JSON. */
  readonly stream?: ScreenOptions['stream']
  /** Aborts to end the demo early; everything is cleaned up. Without it, SIGINT and SIGTERM do. */
  readonly signal?: AbortSignal
}

const group = 'billing'
/** Orders are placed over about so long, so that faults meet traffic. */
const placeWithinSeconds = 12

/**
 * Runs an order service, a relay and a billing service as processes of their own on servers of their own, kills and
 * disturbs them, settles the account and resolves with the exit code: 0 when every committed order had its effect
 * exactly once and in order, 1 when not, 130 when it was interrupted. Leaves no process and no file behind.
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const interruption = options.signal === undefined ? listen() : undefined
  const signal = options.signal ?? (interruption?.signal as AbortSignal)
  const screen = createScreen({
    stream: options.stream ?? (options.json ? process.stderr : process.stdout),
    color: process.env.NO_COLOR === undefined,
  })
  let stage: Stage | undefined
  try {
    explain(screen, options)
    stage = await setUpStage({
      kafka: options.kafka,
      brokers: process.env.KAFKA_BROKERS?.split(',').map((broker) => broker.trim()),
      tell: (what) => screen.tell(`  … ${what}`),
    })
    signal.throwIfAborted()
    if (options.dashboard !== true) return await play(stage, options, screen, signal)
    const { watchStage } = await installed(() => import('./watchStage.js'))
    const story = createStory(screen)
    await using watched = await watchStage(stage, { logger: options.logger, annotations: story.annotations })
    screen.tell(`  Watch it at ${watched.url}\n`)
    const code = await play(stage, options, story.screen, signal)
    screen.tell(`\n  The dashboard stays at ${watched.url} until Ctrl-C.`)
    await aborted(signal)
    return code
  } catch (error) {
    if (!signal.aborted) throw error
    screen.tell('interrupted: cleaning up')
    return 130
  } finally {
    await stage?.remove()
    interruption?.dispose()
  }
}

async function play(stage: Stage, options: DemoOptions, screen: Screen, signal: AbortSignal): Promise<number> {
  const plan = faultPlan(options.seed)
  const setup: ServiceSetup = {
    shopUrl: stage.shopUrl,
    billingUrl: stage.billingUrl,
    transport: stage.transport,
    topic: stage.topic,
    group,
    messages: options.messages,
    placeWithinSeconds,
    seed: options.seed,
    incarnation: 0,
    rollbackShare: plan.rollbackShare,
    lostAckShare: plan.lostAckShare,
    deliveryLog: stage.deliveryLog,
  }
  const [shop, billing] = [fromPgPool(stage.shop), fromPgPool(stage.billing)]
  await createTopic(setup)
  const view = await viewTransport(setup)
  try {
    const day = await liveThrough({
      setup,
      plan,
      view,
      screen,
      signal,
      delivered: () => stage.delivered(),
      booked: async () => {
        const { rows } = await billing.query<{ entries: number }>('select count(*)::int as entries from ledger')
        return rows[0]?.entries ?? 0
      },
    })
    const account = settle({
      orders: await readOrders(shop),
      ledger: await readLedger(billing),
      balances: await readBalances(billing),
      deliveries: await stage.deliveries(),
      published: await view.published(),
      ...day,
    })
    screen.account(account)
    if (options.json) process.stdout.write(`${JSON.stringify(account)}\n`)
    return isSound(account) ? 0 : 1
  } finally {
    await view.close()
  }
}

async function createTopic(setup: ServiceSetup): Promise<void> {
  const transport = await openTransport(setup)
  try {
    await transport.connect()
    await transport.createTopic(setup.topic, 4)
  } finally {
    await transport.close()
  }
}

/** Single statements need no transaction, so a pool will do. */
function fromPgPool(pool: Stage['shop']): Tx {
  return {
    async query<Row extends object>(text: string, values?: readonly unknown[]) {
      const { rows } = await pool.query(text, values as unknown[] | undefined)
      return { rows: rows as Row[] }
    },
  }
}

function explain(screen: Screen, { messages, seed, kafka }: DemoOptions): void {
  const transport = kafka ? 'Kafka' : 'pg-boss, on the same Postgres'
  screen.tell(`
  oncebox demo: ${messages.toLocaleString('en-US')} orders, seed ${seed}

  An order service writes orders and, in the same transaction, messages about them.
  A relay carries the messages to a transport (${transport}).
  A billing service books each order in a ledger that would not notice a second booking.

  Each is a process of its own. Relay and billing service are killed again and again in the
  middle of their work, acknowledgements get lost, some orders are rolled back at the last moment.
`)
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function listen(): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const stop = () => controller.abort()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  return {
    signal: controller.signal,
    dispose() {
      process.off('SIGINT', stop)
      process.off('SIGTERM', stop)
    },
  }
}
