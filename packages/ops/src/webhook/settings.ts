import { hostname } from 'node:os'
import {
  type Clock,
  checkSettings,
  kinds,
  type Logger,
  OnceboxError,
  type SettingKinds,
  silentLogger,
  systemClock,
} from '@oncebox/core'

export interface WebhookOptions {
  /** Where to POST to, `https:` or `http:`. */
  readonly url: string
  /** What requests are signed with, at least 16 characters. */
  readonly secret: string
  /** Who tells: goes into every request. Default: host name and process id. */
  readonly from?: string
  /** How long the first notice waits for others to go with it, in milliseconds. Default 1,000. */
  readonly gatherMs?: number
  /** Shortest time between two requests with news, in milliseconds. Default 10,000. */
  readonly everyMs?: number
  /** How long a receiver may take to answer, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number
  /** Pause after a request that was not accepted, doubling from `minMs` to `maxMs`, with jitter. Default 1 s to 60 s. */
  readonly backoff?: { readonly minMs?: number; readonly maxMs?: number }
  /** For how long a relay may bring nothing through before somebody is told, in milliseconds. Default 60,000. */
  readonly stuckAfterMs?: number
  /** Default: silent. */
  readonly logger?: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /** A number from 0 up to 1, for jitter. Default `Math.random`. */
  readonly random?: () => number
}

export type WebhookSettings = Required<Omit<WebhookOptions, 'backoff'>> & {
  readonly backoff: { readonly minMs: number; readonly maxMs: number }
}

const shortestSecret = 16

const settingKinds: SettingKinds<WebhookOptions> = {
  url: kinds.text,
  secret: kinds.text,
  from: kinds.text,
  gatherMs: kinds.milliseconds(0),
  everyMs: kinds.milliseconds(0),
  timeoutMs: kinds.milliseconds(0),
  backoff: kinds.shaped({ minMs: kinds.milliseconds(0), maxMs: kinds.milliseconds(0) }),
  stuckAfterMs: kinds.spanMs(0),
  logger: kinds.logger,
  clock: kinds.clock,
  random: kinds.callable,
}

/** @throws OnceboxError `INVALID_SETTING` */
export function webhookSettings(options: WebhookOptions): WebhookSettings {
  checkSettings('webhookNotifier', options, settingKinds, ['url', 'secret'])
  if (!/^https?:$/.test(protocolOf(options.url))) {
    throw invalid('The address of the webhook is none of http or https', 'Give a whole URL, https://host/path.')
  }
  if (options.secret.length < shortestSecret) {
    const what = `The secret of the webhook is shorter than ${shortestSecret} characters`
    throw invalid(what, 'Make one, for example with "openssl rand -hex 32", and tell it to the receiver.')
  }
  return {
    url: options.url,
    secret: options.secret,
    from: options.from ?? `${hostname()} ${process.pid}`,
    gatherMs: options.gatherMs ?? 1_000,
    everyMs: options.everyMs ?? 10_000,
    timeoutMs: options.timeoutMs ?? 10_000,
    backoff: {
      minMs: options.backoff?.minMs ?? 1_000,
      maxMs: options.backoff?.maxMs ?? 60_000,
    },
    stuckAfterMs: options.stuckAfterMs ?? 60_000,
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  }
}

function protocolOf(url: string): string {
  return URL.canParse(url) ? new URL(url).protocol : ''
}

function invalid(what: string, next: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what, { next })
}
