import { randomUUID } from 'node:crypto'
import type { ConsumerEvent } from '@oncebox/inbox'
import type { RelayEvent } from '@oncebox/relay'
import { noticeOfConsumer, noticeOfRelay, type Occurrence } from './notice.js'
import { NoticeBook } from './noticeBook.js'
import { post } from './post.js'
import { type WebhookOptions, type WebhookSettings, webhookSettings } from './settings.js'
import { signatureHeader, signatureOf } from './signature.js'
import { StuckRelays } from './stuckRelays.js'

/** Kinds of notices that wait at most; past it, those of one problem are put together. */
const mostKinds = 100
/** While it stops, it does not pause for longer. */
const hurriedPauseMs = 500

/** Tells people what relays and consumers could not get done, by HTTP requests. */
export interface WebhookNotifier {
  /** For `onEvent` of the consumers of a group. Returns at once, and never throws. */
  consumerEvents(group: string): (event: ConsumerEvent) => void
  /** For `onEvent` of relays. Returns at once, and never throws. */
  readonly relayEvents: (event: RelayEvent) => void
  /** Sends what waits, for at most `deadlineMs` (default 5,000), and takes nothing more. Never rejects. Idempotent. */
  stop(options?: { readonly deadlineMs?: number }): Promise<void>
}

/**
 * Makes a notifier; nothing is sent before something happens. The first notice goes out after `gatherMs`, further ones at
 * most every `everyMs`, each request with all kinds of notices that came meanwhile and how many of each. A request that is
 * not accepted is sent again, the same under the same id, until it is.
 *
 * @throws OnceboxError `INVALID_SETTING`
 */
export function webhookNotifier(options: WebhookOptions): WebhookNotifier {
  const notifier = new Notifier(webhookSettings(options))
  return {
    consumerEvents: (group) => (event) => notifier.tell(noticeOfConsumer(group, event)),
    relayEvents: (event) => notifier.relayEvent(event),
    stop: ({ deadlineMs = 5_000 } = {}) => notifier.stop(deadlineMs),
  }
}

class Notifier {
  readonly #settings: WebhookSettings
  readonly #book = new NoticeBook(mostKinds)
  readonly #stuck: StuckRelays
  /** Aborts when it is to be done soon. */
  readonly #hurry = new AbortController()
  /** Aborts when the deadline of `stop` has passed. */
  readonly #over = new AbortController()
  #sending: Promise<void> | null = null
  #notBefore = 0

  constructor(settings: WebhookSettings) {
    this.#settings = settings
    this.#stuck = new StuckRelays(settings.stuckAfterMs)
  }

  relayEvent(event: RelayEvent): void {
    this.tell(this.#stuck.saw(event, this.#settings.clock.now()))
    this.tell(noticeOfRelay(event))
  }

  tell(occurrence: Occurrence | null): void {
    if (occurrence === null || this.#hurry.signal.aborted) return
    this.#book.add(occurrence, this.#settings.clock.now())
    this.#sending ??= this.#sendAll()
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#hurry.abort()
    const { clock } = this.#settings
    const inTime = new AbortController()
    void clock.sleep(deadlineMs, inTime.signal).then(() => this.#over.abort())
    await this.#sending
    inTime.abort()
  }

  async #sendAll(): Promise<void> {
    const { clock, gatherMs, everyMs } = this.#settings
    while (!this.#book.empty && !this.#over.signal.aborted) {
      const at = Math.max(this.#book.firstAt + gatherMs, this.#notBefore)
      await clock.sleep(Math.max(0, at - clock.now()), this.#hurry.signal)
      await this.#deliver()
      this.#notBefore = clock.now() + everyMs
    }
    this.#sending = null
    if (!this.#book.empty) this.#untold(this.#book.count, 'the deadline of the stop has passed')
  }

  #untold(count: number, reason: string): void {
    this.#settings.logger.error({ count, reason }, 'webhook: stopped before all notices were accepted')
  }

  /** Sends what waits now, again and again until it is accepted. */
  async #deliver(): Promise<void> {
    const { url, secret, from, timeoutMs, logger, clock } = this.#settings
    const { count } = this.#book
    const id = randomUUID()
    const body = JSON.stringify({ id, at: new Date(clock.now()).toISOString(), from, notices: this.#book.take() })
    for (let attempt = 1; ; attempt++) {
      const seconds = Math.floor(clock.now() / 1_000)
      const headers = { 'content-type': 'application/json', [signatureHeader]: signatureOf(secret, seconds, body) }
      const result = await post({ url, body, headers, timeoutMs, signal: this.#over.signal })
      if (result.accepted) return
      const { reason } = result
      if (this.#over.signal.aborted) return this.#untold(count, reason)
      const retryInMs = this.#pauseMs(attempt, result.retryAfterMs)
      logger.warn({ attempt, reason, retryInMs }, 'webhook: a request was not accepted, trying again')
      const { signal } = this.#hurry.signal.aborted ? this.#over : this.#hurry
      await clock.sleep(retryInMs, signal)
    }
  }

  #pauseMs(attempt: number, wantedMs: number | null): number {
    if (this.#hurry.signal.aborted) return hurriedPauseMs
    const { backoff, random } = this.#settings
    const ms = Math.min(backoff.maxMs, backoff.minMs * 2 ** Math.min(attempt - 1, 30))
    return Math.min(backoff.maxMs, Math.max(Math.round(ms * (0.5 + random() / 2)), wantedMs ?? 0))
  }
}
