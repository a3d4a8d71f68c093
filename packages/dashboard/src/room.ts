import type { Context } from 'hono'
import type { NamedDatabase } from './databases.js'
import type { Replays } from './replays.js'
import type { Sessions } from './sessions.js'
import type { DashboardSettings } from './settings.js'
import type { Visitor } from './visitor.js'
import type { Watch } from './watch.js'

/** Rows of the outbox that are looked at for one answer, at most, however many are retained: some 50 ms of the database. */
export const rowsLookedAt = 50_000

/** What the routes work with. */
export interface Room {
  readonly settings: DashboardSettings
  /** Of the database with the outbox. */
  readonly sessions: Sessions
  /** All of them, that one first. */
  readonly databases: readonly NamedDatabase[]
  readonly watch: Watch
  readonly replays: Replays
}

/** What a request carries once it was let in. */
export interface Env {
  Variables: { visitor: Required<Visitor> }
}

export function notAllowed(context: Context, what: string): Response {
  const next = 'Ask whoever runs the dashboard: its "access" setting decides.'
  return context.json({ status: 403, code: 'NOT_ALLOWED', what: `You may not ${what} here`, next }, 403)
}

export function notFound(context: Context, what: string): Response {
  return context.json({ status: 404, code: 'NOT_FOUND', what, next: null }, 404)
}
