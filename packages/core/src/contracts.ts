import type { StandardSchemaV1 } from '@standard-schema/spec'
import { OnceboxError } from './errors.js'
import { checkSettings, kinds } from './settings.js'
import { shownName } from './shownPath.js'

/** What producer and consumer agree on for one message type. */
export interface MessageContract<Schema extends StandardSchemaV1 = StandardSchemaV1> {
  /** Kafka topic name. */
  readonly topic: string
  /** Any standard-schema validator (zod, valibot, arktype, …). It must answer synchronously. */
  readonly schema: Schema
  /**
   * The ordering key of a message; absent or null: the message has no order.
   * A method in type, so that a contract of one schema is a `MessageContract` of any.
   */
  key?(data: StandardSchemaV1.InferOutput<Schema>): string | null
}

/** Contracts by CloudEvents type, as `defineMessages` takes and returns them. */
export type MessageContracts = Readonly<Record<string, MessageContract>>

/** What a producer passes to `emit` for a type: the schema's input. */
export type MessageInput<C extends MessageContracts, T extends keyof C> = StandardSchemaV1.InferInput<C[T]['schema']>
/** What a handler receives for a type: the schema's output. */
export type MessageData<C extends MessageContracts, T extends keyof C> = StandardSchemaV1.InferOutput<C[T]['schema']>

type SchemasOf<S extends Record<string, StandardSchemaV1>> = { readonly [T in keyof S]: MessageContract<S[T]> }

/**
 * Declares the message types that producer and consumer share, keyed by CloudEvents type.
 *
 * @throws OnceboxError `INVALID_SETTING` for what is no contract, and when a topic name is one that Kafka refuses.
 */
export function defineMessages<S extends Record<string, StandardSchemaV1>>(contracts: SchemasOf<S>): SchemasOf<S> {
  checkSettings('defineMessages', contracts, {})
  for (const [type, contract] of Object.entries(contracts)) {
    checkSettings('defineMessages', { contract }, { contract: kinds.contract }, ['contract'])
    const reason = topicNameProblem(contract.topic)
    if (reason !== null) {
      throw new OnceboxError('INVALID_SETTING', `Topic of message type ${JSON.stringify(type)} ${reason}`, {
        next: 'Use 1 to 249 characters of a-z, A-Z, 0-9, dot, underscore and hyphen.',
      })
    }
  }
  return contracts
}

/** Why Kafka refuses a topic name (org.apache.kafka.common.internals.Topic#validate), or null when it takes it. */
export function topicNameProblem(topic: string): string | null {
  if (topic.length === 0) return 'is empty'
  if (topic === '.' || topic === '..') return 'is "." or ".."'
  if (topic.length > 249) return 'is longer than 249 characters'
  if (!/^[a-zA-Z0-9._-]+$/.test(topic)) return 'holds a character outside a-z, A-Z, 0-9, ".", "_", "-"'
  return null
}

/**
 * Validates `data` and returns the schema's output.
 *
 * @throws OnceboxError `SCHEMA_MISMATCH` naming the paths that do not fit (never their values), or
 *   `INVALID_SETTING` when the schema answers with a promise.
 */
export function validateData<S extends StandardSchemaV1>(
  type: string,
  schema: S,
  data: unknown,
): StandardSchemaV1.InferOutput<S> {
  const result = schema['~standard'].validate(data)
  if (result instanceof Promise) {
    // Nobody waits for it, so its rejection must not end the process.
    result.catch(() => {})
    throw new OnceboxError('INVALID_SETTING', `The schema of message type ${JSON.stringify(type)} is asynchronous`, {
      next: 'Use a schema without asynchronous refinements; a transaction must not wait for them.',
    })
  }
  if (result.issues === undefined) return result.value as StandardSchemaV1.InferOutput<S>
  const paths = result.issues.map((issue) => {
    const path = (issue.path ?? []).map((part) => shownName(typeof part === 'object' ? part.key : part)).join('.')
    return path === '' ? '(root)' : path
  })
  throw new OnceboxError(
    'SCHEMA_MISMATCH',
    `Message type ${JSON.stringify(type)} does not fit its schema at ${[...new Set(paths)].join(', ')}`,
    {
      next: 'Mend the data or the contract; nothing was written.',
    },
  )
}
