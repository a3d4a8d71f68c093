import { type ErrorCode, OnceboxError } from '@oncebox/core'

/** Numbers of org.apache.kafka.common.protocol.Errors that decisions rest on. */
export const kafkaError = {
  offsetOutOfRange: 1,
  unknownTopic: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  invalidTopic: 17,
  illegalGeneration: 22,
  inconsistentGroupProtocol: 23,
  invalidGroupId: 24,
  unknownMemberId: 25,
  invalidSessionTimeout: 26,
  rebalanceInProgress: 27,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  clusterAuthorizationFailed: 31,
  topicExists: 36,
  invalidPartitions: 37,
  invalidReplicationFactor: 38,
  fetchSessionNotFound: 70,
  invalidFetchSessionEpoch: 71,
  memberIdRequired: 79,
  unknownTopicId: 100,
  inconsistentTopicId: 103,
  fetchSessionTopicId: 106,
} as const

const unauthorized: readonly number[] = [
  kafkaError.topicAuthorizationFailed,
  kafkaError.groupAuthorizationFailed,
  kafkaError.clusterAuthorizationFailed,
  58, // SASL_AUTHENTICATION_FAILED
]
const wrongSetting: readonly number[] = [
  kafkaError.inconsistentGroupProtocol,
  kafkaError.invalidGroupId,
  kafkaError.invalidSessionTimeout,
  kafkaError.invalidPartitions,
  kafkaError.invalidReplicationFactor,
]

/** The first Kafka error number in an error of the client library; undefined when no broker gave one. */
export function kafkaErrorNumber(error: unknown): number | undefined {
  for (const each of chain(error)) {
    const { apiCode } = each as { apiCode?: unknown }
    if (typeof apiCode === 'number') return apiCode
  }
  return undefined
}

/** A broker's error number and name, or the client library's code; never a text. */
export function failureName(error: unknown): string {
  let name = 'Error'
  for (const each of chain(error)) {
    const { apiId, code } = each as { apiId?: unknown; code?: unknown }
    if (typeof apiId === 'string') return apiId
    name = typeof code === 'string' ? code : each.name
  }
  return name
}

/** The response that came with an error: the library's parsers throw when any part of one carries an error number. */
export function responseOf<T>(error: unknown): T {
  const { response } = error as { response?: T }
  if (response === undefined) throw error
  return response
}

/** An error of the client library as one of ours. */
export function toOnceboxError(error: unknown, doing: string): OnceboxError {
  if (error instanceof OnceboxError) return error
  const code = codeOf(error)
  return new OnceboxError(code, `Kafka: ${doing} failed (${failureName(error)})`, {
    next: nextSteps[code] ?? 'Try again.',
  })
}

function codeOf(error: unknown): ErrorCode {
  const number = kafkaErrorNumber(error)
  if (number !== undefined) {
    if (unauthorized.includes(number)) return 'NOT_AUTHORIZED'
    if (wrongSetting.includes(number)) return 'INVALID_SETTING'
    if (number === kafkaError.unknownTopic) return 'TOPIC_MISSING'
    return 'TRANSPORT_FAILED'
  }
  for (const each of chain(error)) {
    if ((each as { code?: unknown }).code === 'PLT_KFK_AUTHENTICATION') return 'NOT_AUTHORIZED'
  }
  return 'TRANSPORT_UNREACHABLE'
}

const nextSteps: Partial<Record<ErrorCode, string>> = {
  TRANSPORT_UNREACHABLE: 'Check the brokers, TLS and SASL settings, and that the cluster is up.',
  TOPIC_MISSING: 'Create the topic.',
  NOT_AUTHORIZED: 'Check the SASL settings and the ACLs of this client.',
  INVALID_SETTING: "Mend the setting that the broker's error names.",
}

function* chain(error: unknown, depth = 0): Generator<Error> {
  if (!(error instanceof Error) || depth > 6) return
  yield error
  const { errors } = error as { errors?: unknown }
  if (Array.isArray(errors)) for (const each of errors) yield* chain(each, depth + 1)
  yield* chain(error.cause, depth + 1)
}
