import type {
  BlockedKey,
  BlockedKeys,
  CheckReport,
  DeadLetterAction,
  DeadLetterDetails,
  DeadLetterFilter,
  DeadLetterGroup,
  DeadLetterSummary,
  FoundPage,
  MessageBody,
  PlannedReplay,
  Timeline,
} from '@oncebox/ops'
import type { Placed } from '../src/picture.js'
import type { ReplayProgress } from '../src/replayProgress.js'

/** What the server says when it cannot answer. */
export class Refused extends Error {
  readonly code: string
  readonly next: string | null
  constructor(code: string, what: string, next: string | null) {
    super(what)
    this.code = code
    this.next = next
  }
}

export interface Me {
  readonly name: string
  readonly mayAct: boolean
  readonly maySeePayloads: boolean
  readonly schema: string
  readonly brokers: boolean
}

/** What can be paused: a lane, or a topic. */
export type Target = { readonly lane: number } | { readonly topic: string }

export interface MessageQuery {
  readonly topic?: string
  readonly key?: string
  readonly type?: string
  readonly from?: number
  readonly to?: number
}

export type Letter = DeadLetterSummary | DeadLetterDetails

/** Which dead letters, and of which database. */
export type LetterQuery = DeadLetterFilter & { readonly database?: string }

/** The way of a message, with the groups of all databases. */
export type Way = Omit<Timeline, 'effects'> & { readonly effects: readonly Placed<Timeline['effects'][number]>[] }

export type PlacedBlockedKeys = Omit<BlockedKeys, 'consumers'> & { readonly consumers: readonly Placed<BlockedKey>[] }

/** Addresses are relative to where the page is mounted; what is looked for goes in the body, never in the address. */
async function ask<T>(path: string, body?: object, headers: Record<string, string> = {}): Promise<T> {
  const json = { 'content-type': 'application/json' }
  const init =
    body === undefined ? {} : { method: 'POST', body: JSON.stringify(body), headers: { ...json, ...headers } }
  let response: Response
  try {
    response = await fetch(`./api/${path}`, init)
  } catch {
    throw new Refused('OFFLINE', 'The dashboard does not answer', 'Is its process running?')
  }
  const answer: unknown = await response.json().catch(() => null)
  if (response.ok) return answer as T
  const { code, what, next } = (answer ?? {}) as { code?: string; what?: string; next?: string | null }
  throw new Refused(code ?? String(response.status), what ?? 'The dashboard answers nothing useful', next ?? null)
}

const act = <T>(path: string, body: object): Promise<T> => ask(`actions/${path}`, body, { 'x-oncebox-action': '1' })

export const api = {
  me: () => ask<Me>('me'),
  searchMessages: (query: MessageQuery & { before?: string }) => ask<FoundPage>('messages/search', query),
  message: (id: string, everywhere: boolean) =>
    ask<Way & { known: boolean }>(`messages/${encodeURIComponent(id)}${everywhere ? '?everywhere=1' : ''}`),
  body: (position: string) => ask<MessageBody>(`bodies/${position}`),
  letterGroups: () => ask<Placed<DeadLetterGroup>[]>('dead-letter-groups'),
  letters: (filter: LetterQuery & { after?: string }) =>
    ask<{ letters: DeadLetterSummary[]; count: number }>('dead-letters/search', filter),
  letter: (number: string, database: string) =>
    ask<{ letter: Letter | null; actions: DeadLetterAction[] }>(
      `dead-letters/${number}?database=${encodeURIComponent(database)}`,
    ),
  blockedKeys: () => ask<PlacedBlockedKeys>('blocked-keys'),
  doctor: () => ask<Placed<CheckReport>[]>('doctor'),
  replays: () => ask<ReplayProgress[]>('replays'),
  planReplay: (query: MessageQuery) => ask<PlannedReplay>('replays/plan', query),
  startReplay: (query: MessageQuery & { rate: number; group?: string; database?: string; why?: string }) =>
    act<ReplayProgress>('replays', query),
  cancelReplay: (id: string) => act<object>(`replays/${id}/cancel`, {}),
  pause: (target: Target, why: string) => act<{ changed: Target[] }>('pauses', { ...target, why }),
  resume: (target: Target, why: string) => act<{ changed: Target[] }>('pauses/resume', { ...target, why }),
  retry: (filter: LetterQuery & { after?: string; why?: string }) =>
    act<{ numbers: string[] }>('dead-letters/retry', filter),
  discard: (filter: LetterQuery & { after?: string; why: string }) =>
    act<{ numbers: string[] }>('dead-letters/discard', filter),
}
