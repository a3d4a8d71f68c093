export type Role = 'producer' | 'relay' | 'reclaimer' | 'consumer' | 'inboxReclaimer' | 'migrator'

/** What a process does when it reaches a point. A statement or request is recognized by what goes over the wire. */
export type Reached =
  | { readonly statement: RegExp }
  /** Kafka's number for the kind of request (protocol guide, "API keys"). */
  | { readonly request: number }
  | { readonly step: 'received' | 'acked' | 'revoked' | 'leaseLost' }

/** A place where processes are killed. */
export interface CrashPoint {
  readonly name: string
  readonly role: Role
  readonly at: Reached
  /** `sent`: what goes over the wire has left, and its answer has not been read. A step has no moments. */
  readonly moment: 'before' | 'sent' | 'after'
  /** It is killed there at the first to the `mostTimes`-th time. Default 1. */
  readonly mostTimes?: number
}

const produce = 0
const offsetCommit = 8

const emit = /insert into "oncebox"\.outbox /i
const commit = /^commit/i
const claim = /set epoch = epoch \+ 1/i
const window = /as window_rows order by position/i
const page = /where position > \$4::bigint/i
const persist = /set last_snapshot = \$4/i
const renew = /set expires_at = clock_timestamp\(\) \+ make_interval\(secs => \$4/i
const truncate = /^truncate/i
const inboxIds = /insert into "oncebox"\."inbox" /i
const effect = /insert into ledger/i
const finish = /with verified as materialized/i
const raiseFloor = /setval\(\$1::text::regclass, \$2::text::bigint\)/i
const table = /create table/i

const sent = 'sent'
const before = 'before'
const after = 'after'

/** All of them, along the way of a message. */
export const crashPoints: readonly CrashPoint[] = [
  { name: 'producer: before the insert', role: 'producer', at: { statement: emit }, moment: before, mostTimes: 20 },
  {
    name: 'producer: insert sent without a reply',
    role: 'producer',
    at: { statement: emit },
    moment: sent,
    mostTimes: 20,
  },
  { name: 'producer: after the insert', role: 'producer', at: { statement: emit }, moment: after, mostTimes: 20 },
  { name: 'producer: before the commit', role: 'producer', at: { statement: commit }, moment: before, mostTimes: 10 },
  {
    name: 'producer: commit sent without a reply',
    role: 'producer',
    at: { statement: commit },
    moment: sent,
    mostTimes: 10,
  },
  { name: 'producer: after the commit', role: 'producer', at: { statement: commit }, moment: after, mostTimes: 10 },

  { name: 'relay: before the claim', role: 'relay', at: { statement: claim }, moment: before },
  { name: 'relay: commit of the claim sent without a reply', role: 'relay', at: { statement: commit }, moment: sent },
  { name: 'relay: after the claim', role: 'relay', at: { statement: commit }, moment: after },
  {
    name: 'relay: window asked for without a reply',
    role: 'relay',
    at: { statement: window },
    moment: sent,
    mostTimes: 2,
  },
  {
    name: 'relay: between two pages of a window',
    role: 'relay',
    at: { statement: page },
    moment: before,
  },
  { name: 'relay: page asked for without a reply', role: 'relay', at: { statement: page }, moment: sent },
  { name: 'relay: before the send', role: 'relay', at: { request: produce }, moment: before, mostTimes: 3 },
  { name: 'relay: request sent without a reply', role: 'relay', at: { request: produce }, moment: sent, mostTimes: 3 },
  { name: 'relay: after the ack', role: 'relay', at: { step: 'acked' }, moment: after, mostTimes: 3 },
  { name: 'relay: before the cursor', role: 'relay', at: { statement: persist }, moment: before },
  { name: 'relay: cursor sent without a reply', role: 'relay', at: { statement: persist }, moment: sent },
  { name: 'relay: after the cursor', role: 'relay', at: { statement: persist }, moment: after },
  { name: 'relay: before the renewal', role: 'relay', at: { statement: renew }, moment: before },
  { name: 'relay: after the lease was lost', role: 'relay', at: { step: 'leaseLost' }, moment: after },

  { name: 'reclaim: before the truncation of a leaf', role: 'reclaimer', at: { statement: truncate }, moment: before },
  { name: 'reclaim: truncation sent without a reply', role: 'reclaimer', at: { statement: truncate }, moment: sent },
  {
    name: 'reclaim: after the truncation, before its commit',
    role: 'reclaimer',
    at: { statement: truncate },
    moment: after,
  },

  { name: 'consumer: after the receipt', role: 'consumer', at: { step: 'received' }, moment: after, mostTimes: 2 },
  {
    name: 'consumer: ids sent without a reply',
    role: 'consumer',
    at: { statement: inboxIds },
    moment: sent,
    mostTimes: 2,
  },
  { name: 'consumer: after the ids', role: 'consumer', at: { statement: inboxIds }, moment: after, mostTimes: 2 },
  { name: 'consumer: after an effect', role: 'consumer', at: { statement: effect }, moment: after, mostTimes: 10 },
  {
    name: 'consumer: after the next offset, before the commit',
    role: 'consumer',
    at: { statement: finish },
    moment: after,
    mostTimes: 2,
  },
  {
    name: 'consumer: commit sent without a reply',
    role: 'consumer',
    at: { statement: commit },
    moment: sent,
    mostTimes: 3,
  },
  { name: 'consumer: before the offset commit', role: 'consumer', at: { request: offsetCommit }, moment: before },
  {
    name: 'consumer: offset commit sent without a reply',
    role: 'consumer',
    at: { request: offsetCommit },
    moment: sent,
  },
  { name: 'consumer: during a revoke', role: 'consumer', at: { step: 'revoked' }, moment: after },

  {
    name: 'inbox reclaim: after the floor was raised',
    role: 'inboxReclaimer',
    at: { statement: raiseFloor },
    moment: after,
  },
  {
    name: 'inbox reclaim: truncation sent without a reply',
    role: 'inboxReclaimer',
    at: { statement: truncate },
    moment: sent,
  },
  { name: 'migration: in the middle', role: 'migrator', at: { statement: table }, moment: sent, mostTimes: 9 },
  {
    name: 'migration: commit sent without a reply',
    role: 'migrator',
    at: { statement: commit },
    moment: sent,
    mostTimes: 9,
  },
]
