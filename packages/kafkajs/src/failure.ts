import { type ErrorCode, OnceboxError } from '@oncebox/core'

/** What a kafkajs error means. The only file that decides from Kafka's error types and kafkajs's error classes. */
export interface Failure {
  /**
   * - `records`: some record of the request cannot be written (too large, invalid)
   * - `topic`: the topic cannot be written to
   * - `client`: this client may not connect or write at all
   * - `transport`: no answer, or a passing trouble of the cluster
   */
  readonly concerns: 'records' | 'topic' | 'client' | 'transport'
  readonly code: ErrorCode
  /** Kafka's or kafkajs's name of it, for people. */
  readonly reason: string
  /** Kafka's error type where the broker answered. */
  readonly type: string | undefined
}

const byType: Readonly<Record<string, Pick<Failure, 'concerns' | 'code'>>> = {
  MESSAGE_TOO_LARGE: { concerns: 'records', code: 'RECORD_TOO_LARGE' },
  RECORD_LIST_TOO_LARGE: { concerns: 'records', code: 'RECORD_TOO_LARGE' },
  INVALID_RECORD: { concerns: 'records', code: 'RECORD_REFUSED' },
  INVALID_TIMESTAMP: { concerns: 'records', code: 'RECORD_REFUSED' },
  UNSUPPORTED_FOR_MESSAGE_FORMAT: { concerns: 'records', code: 'RECORD_REFUSED' },
  UNKNOWN_TOPIC_OR_PARTITION: { concerns: 'topic', code: 'TOPIC_MISSING' },
  INVALID_TOPIC_EXCEPTION: { concerns: 'topic', code: 'RECORD_REFUSED' },
  POLICY_VIOLATION: { concerns: 'topic', code: 'RECORD_REFUSED' },
  TOPIC_AUTHORIZATION_FAILED: { concerns: 'topic', code: 'NOT_AUTHORIZED' },
  GROUP_AUTHORIZATION_FAILED: { concerns: 'client', code: 'NOT_AUTHORIZED' },
  CLUSTER_AUTHORIZATION_FAILED: { concerns: 'client', code: 'NOT_AUTHORIZED' },
  SASL_AUTHENTICATION_FAILED: { concerns: 'client', code: 'NOT_AUTHORIZED' },
  UNSUPPORTED_SASL_MECHANISM: { concerns: 'client', code: 'NOT_AUTHORIZED' },
  INVALID_SESSION_TIMEOUT: { concerns: 'client', code: 'INVALID_SETTING' },
  INVALID_GROUP_ID: { concerns: 'client', code: 'INVALID_SETTING' },
  INVALID_PARTITIONS: { concerns: 'client', code: 'INVALID_SETTING' },
}

const unreachable = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSBrokerNotFound',
  'KafkaJSLockTimeout',
])

export function classifyFailure(error: unknown): Failure {
  let name = 'Error'
  for (const each of causes(error)) {
    const type = (each as { type?: unknown }).type
    if (typeof type === 'string') {
      const known = byType[type] ?? { concerns: 'transport', code: 'TRANSPORT_FAILED' }
      return { ...known, reason: type, type }
    }
    if (each.name === 'KafkaJSSASLAuthenticationError') {
      return { concerns: 'client', code: 'NOT_AUTHORIZED', reason: each.name, type: undefined }
    }
    if (unreachable.has(each.name)) {
      return { concerns: 'transport', code: 'TRANSPORT_UNREACHABLE', reason: each.name, type: undefined }
    }
    name = each.name
  }
  return { concerns: 'transport', code: 'TRANSPORT_FAILED', reason: name, type: undefined }
}

/** A kafkajs error as one of ours. The cause is left out of texts: kafkajs quotes records in some of its messages. */
export function toOnceboxError(error: unknown, doing: string): OnceboxError {
  if (error instanceof OnceboxError) return error
  const { code, reason } = classifyFailure(error)
  return new OnceboxError(code, `Kafka: ${doing} failed (${reason})`, { next: nextSteps[code] ?? 'Try again.' })
}

const nextSteps: Partial<Record<ErrorCode, string>> = {
  TRANSPORT_UNREACHABLE: 'Check that the brokers run and can be reached at their advertised addresses.',
  TOPIC_MISSING: 'Create the topic.',
  NOT_AUTHORIZED: 'Check the SASL settings and the ACLs of this client.',
  INVALID_SETTING: "Mend the setting that the broker's error names.",
}

function* causes(error: unknown): Generator<Error> {
  for (let each: unknown = error, depth = 0; each instanceof Error && depth < 6; depth++) {
    yield each
    const { errors } = each as { errors?: unknown }
    each = Array.isArray(errors) ? errors[0] : each.cause
  }
}
