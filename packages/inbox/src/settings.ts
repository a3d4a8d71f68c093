import {
  type Clock,
  checkSettings,
  type Database,
  kinds,
  type Logger,
  type MessageContract,
  type MessageContracts,
  OnceboxError,
  type SettingKinds,
  silentLogger,
  systemClock,
  topicNameProblem,
} from '@oncebox/core'
import { defaultSchema, inboxRing, quoteSchema } from '@oncebox/schema'
import type { Publisher, Subscriber } from '@oncebox/transport'
import type { Backoff } from './backoff.js'
import type { ConsumerEvent } from './events.js'
import { type AnyHandler, anyType, type Handlers } from './handlers.js'
import type { PoisonPolicies, PoisonPolicy } from './poison.js'

/** What becomes of a type without a handler: acked and counted, put to the dead letters, or waited for. */
export type UnknownTypePolicy = 'ignore' | 'deadLetter' | 'block'

/** Where dead letters are copied to, beside the table. */
export interface DeadLetterTopic {
  /** Its name; none of the topics that are read. */
  readonly topic: string
  /** Nobody else publishes through it meanwhile. The caller closes it. */
  readonly publisher: Publisher
}

export interface ConsumerOptions<C extends MessageContracts, Trx> {
  /** The database of the effects, migrated. `pgDatabase(pool)`, `kyselyDatabase(db)`. The caller closes it. */
  readonly db: Database<Trx>
  /** Where messages come from. The caller closes it. */
  readonly subscriber: Subscriber
  /** The consumer group, 1 to 249 characters: the unit in which effects happen once. */
  readonly group: string
  /** The contracts of `defineMessages`: which types there are, where they come from and what their data is. */
  readonly messages: C
  /** What is done with a message, by its type; at `'*'`, with those of all other types. */
  readonly handlers: Handlers<NoInfer<C>, NoInfer<Trx>>
  /**
   * What is read. Default: the topics of the contracts that have handlers (of all contracts, with a handler at `'*'`).
   */
  readonly topics?: readonly string[]
  /** Schema of the project's tables. Default `oncebox`. */
  readonly schema?: string
  /** Upper limit of messages a transaction. Default 500. */
  readonly batchMessages?: number
  /** Upper limit of value bytes a batch. Default 4 MiB. */
  readonly batchBytes?: number
  /**
   * How many transactions of one partition may run side by side, each over other keys: messages of a key stay in order,
   * those of different keys have none. Each takes a connection. Default 1: a partition is handled in order.
   */
  readonly concurrency?: number
  /**
   * How long a handler may leave its transaction without a statement, in milliseconds, before the server ends it; counted
   * as a failed attempt. So long, too, a host that is cut off holds its ids. A limit that the server or the role sets
   * goes before it. Default 60,000.
   */
  readonly handlerIdleMs?: number
  /** How often a message is tried before it goes to the dead letters. Default 8. */
  readonly attempts?: number
  /**
   * What becomes of a message that keeps failing, and of those behind it: for all types, or by type with `'*'` for the
   * others. Default `park`.
   */
  readonly poison?: PoisonPolicy | ({ readonly [T in keyof C]?: PoisonPolicy } & { readonly [anyType]?: PoisonPolicy })
  /**
   * Names of unique constraints, or unique indexes, of business tables: a message that violates one of them is run
   * again, alone, and if it does so again, what it would do is done already: it is skipped. Default: none.
   */
  readonly duplicateConstraints?: readonly string[]
  /**
   * Copies every new dead letter to a topic as well: key, value and headers as they came, with headers `dead_letter_*`.
   * Sent after the commit, at least once, by any consumer of the group that has this setting. Default: no copies.
   */
  readonly deadLetterTopic?: DeadLetterTopic
  /** Pause after a failed attempt, doubling from `minMs` to `maxMs`, with jitter. Default 200 ms to 60 s. */
  readonly backoff?: Partial<Backoff>
  /** For how long an id is remembered, in milliseconds; older messages are refused. Default 7 days, at most about 10. */
  readonly horizonMs?: number
  /** How far ahead of the database's clock an id may lie, in milliseconds. Default 10 minutes. */
  readonly futureMs?: number
  /** Pause between looks for parked messages and dead letters that are to be tried again, in milliseconds. Default 1,000. */
  readonly redrivePollMs?: number
  /** Start although a topic keeps records longer than the horizon: those past it go to the dead letters. Default false. */
  readonly allowLongerRetention?: boolean
  /** What becomes of a type without a handler. Default `ignore`. */
  readonly unknownType?: UnknownTypePolicy
  /** Default: silent. */
  readonly logger?: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /** A number from 0 up to 1, for jitter. Default `Math.random`. */
  readonly random?: () => number
  /** Told what happens, synchronously; what it throws is logged and dropped. Default: nobody is told. */
  readonly onEvent?: (event: ConsumerEvent) => void
}

/** The options with their defaults, checked. */
export interface Settings<Trx> {
  readonly db: Database<Trx>
  readonly subscriber: Subscriber
  readonly group: string
  readonly contracts: ReadonlyMap<string, MessageContract>
  readonly handlers: ReadonlyMap<string, AnyHandler<Trx>>
  readonly topics: readonly string[]
  readonly schema: string
  readonly batchMessages: number
  readonly batchBytes: number
  readonly concurrency: number
  readonly handlerIdleMs: number
  readonly attempts: number
  readonly poison: PoisonPolicies
  readonly duplicateConstraints: readonly string[]
  readonly deadLetterTopic: DeadLetterTopic | null
  readonly backoff: Backoff
  readonly redrivePollMs: number
  readonly horizonMs: number
  readonly futureMs: number
  readonly allowLongerRetention: boolean
  readonly unknownType: UnknownTypePolicy
  readonly logger: Logger
  readonly clock: Clock
  readonly random: () => number
  readonly onEvent: (event: ConsumerEvent) => void
}

const dayMs = 86_400_000

const policies = kinds.oneOf('park', 'skip', 'block')

const settingKinds: SettingKinds<ConsumerOptions<MessageContracts, unknown>> = {
  db: kinds.withMethods('a database, such as pgDatabase(pool)', 'transaction', 'txOf'),
  subscriber: kinds.withMethods('a subscriber', 'subscribe', 'retentionMs', 'close'),
  group: kinds.text,
  messages: kinds.contracts,
  handlers: kinds.object,
  topics: kinds.listOf(kinds.text),
  schema: kinds.text,
  batchMessages: kinds.count(1),
  batchBytes: kinds.bytes(1),
  concurrency: kinds.count(1),
  handlerIdleMs: kinds.milliseconds(1),
  attempts: kinds.count(1),
  poison: kinds.either(policies, kinds.recordOf(policies)),
  duplicateConstraints: kinds.listOf(kinds.text),
  deadLetterTopic: kinds.shaped(
    { topic: kinds.text, publisher: kinds.withMethods('a publisher', 'connect', 'partitions', 'publish', 'close') },
    ['topic', 'publisher'],
  ),
  backoff: kinds.shaped({ minMs: kinds.milliseconds(1), maxMs: kinds.milliseconds(1) }),
  horizonMs: kinds.spanMs(1),
  futureMs: kinds.spanMs(1),
  redrivePollMs: kinds.milliseconds(1),
  allowLongerRetention: kinds.flag,
  unknownType: kinds.oneOf('ignore', 'deadLetter', 'block'),
  logger: kinds.logger,
  clock: kinds.clock,
  random: kinds.callable,
  onEvent: kinds.callable,
}

const needed = ['db', 'subscriber', 'group', 'messages', 'handlers']

export function settingsOf<C extends MessageContracts, Trx>(options: ConsumerOptions<C, Trx>): Settings<Trx> {
  checkSettings('createConsumer', options, settingKinds, needed)
  const logger = options.logger ?? silentLogger
  const contracts = new Map<string, MessageContract>(Object.entries(options.messages))
  const handlers = new Map<string, AnyHandler<Trx>>()
  for (const [type, handler] of Object.entries(options.handlers)) {
    if (handler !== undefined) handlers.set(type, handler as AnyHandler<Trx>)
  }
  for (const type of handlers.keys()) {
    if (type !== anyType && !contracts.has(type))
      throw invalid(`There is a handler for ${JSON.stringify(type)} and no contract`)
  }
  const handledTypes = [...(handlers.has(anyType) ? contracts : handlers).keys()]
  const topics = [...new Set(options.topics ?? handledTypes.map((type) => contracts.get(type)?.topic ?? ''))]
  if (topics.length === 0) throw invalid('The consumer has neither handlers nor topics')
  if (!/^[^\0]{1,249}$/u.test(options.group)) throw invalid('The group is empty, too long, or holds a NUL')
  const settings: Settings<Trx> = {
    db: options.db,
    subscriber: options.subscriber,
    group: options.group,
    contracts,
    handlers,
    topics,
    schema: options.schema ?? defaultSchema,
    batchMessages: options.batchMessages ?? 500,
    batchBytes: options.batchBytes ?? 4 << 20,
    concurrency: options.concurrency ?? 1,
    handlerIdleMs: options.handlerIdleMs ?? 60_000,
    attempts: options.attempts ?? 8,
    poison: policiesOf(options.poison ?? 'park', contracts),
    duplicateConstraints: options.duplicateConstraints ?? [],
    deadLetterTopic: deadLetterTopicOf(options.deadLetterTopic, topics),
    redrivePollMs: options.redrivePollMs ?? 1_000,
    backoff: {
      minMs: options.backoff?.minMs ?? 200,
      maxMs: options.backoff?.maxMs ?? 60_000,
    },
    horizonMs: options.horizonMs ?? 7 * dayMs,
    futureMs: options.futureMs ?? 600_000,
    allowLongerRetention: options.allowLongerRetention ?? false,
    unknownType: options.unknownType ?? 'ignore',
    logger,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    onEvent: guarded(options.onEvent, logger),
  }
  quoteSchema(settings.schema)
  // One leaf more on either side: the days at both ends of the span are only partly in it.
  if (Math.ceil((settings.horizonMs + settings.futureMs) / inboxRing.widthMs) + 2 > inboxRing.slots) {
    throw invalid(`horizonMs and futureMs span more than the ${inboxRing.slots - 2} days the inbox can remember`)
  }
  return settings
}

function policiesOf(
  poison: NonNullable<ConsumerOptions<MessageContracts, unknown>['poison']>,
  contracts: ReadonlyMap<string, unknown>,
): PoisonPolicies {
  const byType = typeof poison === 'object' ? Object.entries(poison) : [[anyType, poison] as const]
  for (const [type] of byType) {
    if (type !== anyType && !contracts.has(type))
      throw invalid(`There is a poison policy for ${JSON.stringify(type)} and no contract`)
  }
  return new Map(byType as [string, PoisonPolicy][])
}

function deadLetterTopicOf(wanted: DeadLetterTopic | undefined, topics: readonly string[]): DeadLetterTopic | null {
  if (wanted === undefined) return null
  const problem = topicNameProblem(wanted.topic)
  if (problem !== null) throw invalid(`deadLetterTopic ${problem}`)
  // A message that fails there would be copied for ever.
  if (topics.includes(wanted.topic)) throw invalid('deadLetterTopic is one of the topics that the consumer reads')
  return wanted
}

function invalid(what: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what, { next: 'Mend the options of createConsumer.' })
}

function guarded(
  onEvent: ((event: ConsumerEvent) => void) | undefined,
  logger: Logger,
): (event: ConsumerEvent) => void {
  if (onEvent === undefined) return () => {}
  return (event) => {
    try {
      onEvent(event)
    } catch (error) {
      logger.error({ event: event.type, error: error instanceof Error ? error.name : typeof error }, 'onEvent threw')
    }
  }
}
