import { OnceboxError, type Tx } from '@oncebox/core'
import { defaultSchema, tables } from '@oncebox/schema'
import { type TailFilter, tailCondition } from './tailFilter.js'
import { readBounds, readNewest, readPage, readWindow, type TailMessage, type TailSource } from './tailRows.js'

/** Where a reader stands: plain data, to be handed to the next call as it is. */
export interface TailCursor {
  /** Everything visible in this snapshot was returned. */
  readonly last: string
  /** Inside a window larger than a page: its end, the last position returned from it, and the last position in it. */
  readonly page: { readonly upper: string; readonly position: string; readonly end: string } | null
}

export interface TailOptions {
  /** Default `oncebox`. */
  readonly schema?: string
  /** The cursor of the call before. Default: none; the newest messages, and a cursor at the present. */
  readonly after?: TailCursor
  /** At most so many messages, 0 to 10,000. Default 100; for the first call, 10. */
  readonly limit?: number
  /** Default: everything. The first call then looks among the newest 10,000 messages. */
  readonly filter?: TailFilter
}

/** What was committed since the last call. */
export interface TailPage {
  /** Ordered by position. */
  readonly messages: readonly TailMessage[]
  /** The cursor for the next call. */
  readonly after: TailCursor
  /** True when the next call has messages already. */
  readonly more: boolean
}

/**
 * The next messages that were committed since the last call, whether the relay has published them or not. Windows by
 * snapshot, as the relay reads them (after PgQ): a message that commits late comes late, and none is passed over.
 * Reads on `tx`, which must not have written anything in its transaction.
 *
 * @throws OnceboxError `WINDOW_IN_TRANSACTION`, `DATABASE_NOT_PRIMARY` (a standby's snapshots lack what is running),
 *   `INVALID_SETTING` for the limit or the schema name.
 */
export async function tail(tx: Tx, options: TailOptions = {}): Promise<TailPage> {
  const schema = options.schema ?? defaultSchema
  const { after, filter = {} } = options
  const source = { outbox: tables(schema).outbox, where: (first: number) => tailCondition(filter, schema, first) }
  const limit = options.limit ?? (after === undefined ? 10 : 100)
  if (!Number.isInteger(limit) || limit < 0 || limit > 10_000) {
    throw new OnceboxError('INVALID_SETTING', 'The limit of tail is not a whole number from 0 to 10000')
  }
  if (after === undefined) {
    const { messages, now } = await readNewest(tx, source, limit)
    return { messages: messages.toReversed(), after: { last: now, page: null }, more: false }
  }
  if (after.page !== null) return nextPage(tx, source, after.last, after.page, limit)
  const { messages, now } = await readWindow(tx, source, after.last, limit + 1)
  if (messages.length <= limit) return { messages, after: { last: now, page: null }, more: false }
  const bounds = await readBounds(tx, source, after.last, now)
  return nextPage(tx, source, after.last, { upper: now, ...bounds }, limit)
}

async function nextPage(
  tx: Tx,
  source: TailSource,
  last: string,
  page: NonNullable<TailCursor['page']>,
  limit: number,
): Promise<TailPage> {
  const found = await readPage(tx, source, { last, ...page }, limit + 1)
  if (found.length <= limit) return { messages: found, after: { last: page.upper, page: null }, more: false }
  const messages = found.slice(0, limit)
  const position = messages.at(-1)?.position ?? page.position
  return { messages, after: { last, page: { ...page, position } }, more: true }
}
