import {
  type Clock,
  checkSettings,
  type IdSource,
  kinds,
  localIds,
  type MessageContracts,
  type MessageInput,
  OnceboxError,
  queryPrepared,
  requireTx,
  type SettingKinds,
  systemClock,
  type Tx,
} from '@oncebox/core'
import { applyContract } from './applyContract.js'
import { batchParameters } from './batchParameters.js'
import { encodeMessage } from './encodeMessage.js'
import type { ContractMessage, EmitOptions, OutboxEntry, OutgoingMessage } from './outgoingMessage.js'
import { textProblem } from './refusal.js'
import { statements } from './statements.js'
import { traceContext } from './traceContext.js'

export interface OutboxOptions<C extends MessageContracts> {
  /** CloudEvents source: the name of this service. */
  readonly source: string
  /** The contracts of `defineMessages`. Default: none; only messages in the long form can be emitted. */
  readonly messages?: C
  /** Schema of the project's tables. Default `oncebox`. */
  readonly schema?: string
  /** Where ids come from. Default: UUIDv7 made in this process. */
  readonly ids?: IdSource
  /** Upper limit of payload and headers together, in bytes. Default 900,000: below Kafka's own default. */
  readonly maxPayloadBytes?: number
  /** Only its present is read: what lies ahead in `deliverAt`. Default: the machine's. */
  readonly clock?: Pick<Clock, 'now'>
}

/** The writer of the outbox. Stateless: one for the process, any number of transactions at once. */
export interface Outbox<C extends MessageContracts> {
  /**
   * Writes one message of a contract in the transaction `tx`, in one round trip, and resolves with its id. It is
   * published if and only if that transaction commits. What is stored is the schema's output; the key is the
   * contract's, unless `options` has one.
   *
   * What cannot be sent is refused before anything is written, and leaves `tx` as it was. The statement is handed to `tx`
   * before the call returns, so that what is sent behind it without waiting comes behind it.
   *
   * @throws OnceboxError `UNKNOWN_MESSAGE_TYPE`, `SCHEMA_MISMATCH`, `PAYLOAD_NOT_ENCODABLE`, `PAYLOAD_TOO_LARGE`,
   *   `INVALID_MESSAGE`; `INVALID_SETTING` when `tx` is none; `TRANSACTION_ENDED`; and the driver's errors.
   */
  emit<T extends keyof C & string>(tx: Tx, type: T, data: MessageInput<C, T>, options?: EmitOptions): Promise<string>
  /**
   * The same for a message without a contract.
   *
   * @throws OnceboxError `PAYLOAD_NOT_ENCODABLE`, `PAYLOAD_TOO_LARGE`, `INVALID_MESSAGE`; `INVALID_SETTING` when `tx` is
   *   none; `TRANSACTION_ENDED`; and the driver's errors.
   */
  emit(tx: Tx, message: OutgoingMessage): Promise<string>
  /**
   * Writes any number of messages in the transaction `tx`, of contracts (`type` and `data`) or not (with `topic`), in one
   * statement, and resolves with their ids in order. One that is refused refuses them all.
   *
   * @throws OnceboxError `UNKNOWN_MESSAGE_TYPE`, `SCHEMA_MISMATCH`, `PAYLOAD_NOT_ENCODABLE`, `PAYLOAD_TOO_LARGE`,
   *   `INVALID_MESSAGE`; `INVALID_SETTING` when `tx` is none; `TRANSACTION_ENDED`; and the driver's errors.
   */
  emitMany(tx: Tx, messages: readonly (ContractMessage<C> | OutgoingMessage)[]): Promise<string[]>
}

const defaultMaxPayloadBytes = 900_000

const settingKinds: SettingKinds<OutboxOptions<MessageContracts>> = {
  source: kinds.text,
  messages: kinds.contracts,
  schema: kinds.text,
  ids: kinds.withMethods('a source of ids, with next', 'next'),
  maxPayloadBytes: kinds.bytes(1),
  clock: kinds.present,
}

/**
 * Makes the writer. Opens nothing, reads nothing.
 *
 * @throws OnceboxError `INVALID_SETTING` for a source or a schema name that cannot be used, or a limit below 1.
 */
export function createOutbox<const C extends MessageContracts = Record<never, never>>(
  options: OutboxOptions<C>,
): Outbox<C> {
  checkSettings('createOutbox', options, settingKinds, ['source'])
  const { source, ids = localIds, clock = systemClock, maxPayloadBytes = defaultMaxPayloadBytes } = options
  const sourceProblem = source === '' ? 'is empty' : textProblem(source)
  if (sourceProblem !== null) throw invalidSetting(`The source ${sourceProblem}`, 'Name this service.')
  const sql = statements(options.schema ?? 'oncebox')
  const contracts: MessageContracts = options.messages ?? {}

  const encode = (message: OutgoingMessage, trace: Readonly<Record<string, string>> | null): OutboxEntry =>
    encodeMessage(message, { ids, now: clock.now(), maxPayloadBytes, trace })

  async function emit(
    tx: Tx,
    typeOrMessage: string | OutgoingMessage,
    data?: unknown,
    emitOptions?: EmitOptions,
  ): Promise<string> {
    requireTx(tx)
    const message =
      typeof typeOrMessage === 'string'
        ? applyContract(contracts, { ...emitOptions, type: typeOrMessage, data })
        : typeOrMessage
    const entry = encode(message, traceContext())
    const { id, topic, key, type, contentType, headers, payload, dueAt } = entry
    const values = [id, source, topic, key, type, contentType, headers, payload]
    if (dueAt === null) await queryPrepared(tx, sql.emit, values)
    else await queryPrepared(tx, sql.schedule, [...values, dueAt.toISOString()])
    return id
  }

  async function emitMany(tx: Tx, messages: readonly (ContractMessage<C> | OutgoingMessage)[]): Promise<string[]> {
    requireTx(tx)
    if (messages.length === 0) return []
    const complete = messages.map((message) =>
      isContractMessage(message) ? applyContract(contracts, message) : message,
    )
    const trace = traceContext()
    const entries = complete.map((message) => encode(message, trace))
    const scheduled = entries.some((entry) => entry.dueAt !== null)
    await queryPrepared(tx, scheduled ? sql.emitManyScheduled : sql.emitMany, batchParameters(entries, source))
    return entries.map((entry) => entry.id)
  }

  return { emit, emitMany }
}

function isContractMessage<C extends MessageContracts>(
  message: ContractMessage<C> | OutgoingMessage,
): message is ContractMessage<C> {
  return typeof message === 'object' && message !== null && !('topic' in message)
}

function invalidSetting(what: string, next: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what, { next })
}
