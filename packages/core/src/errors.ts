/**
 * Every code an error of this project can carry, and whether trying the same thing again can help.
 * `docs/errors.md` lists them with cause and mend; a test holds the two together.
 */
export const errorCodes = {
  INVALID_SETTING: { retryable: false },
  INVALID_MESSAGE: { retryable: false },
  UNKNOWN_MESSAGE_TYPE: { retryable: false },
  SCHEMA_MISMATCH: { retryable: false },
  PAYLOAD_NOT_ENCODABLE: { retryable: false },
  PAYLOAD_TOO_LARGE: { retryable: false },
  PAYLOAD_NOT_DECODABLE: { retryable: false },
  MESSAGE_ID_MISSING: { retryable: false },
  MESSAGE_TYPE_MISSING: { retryable: false },
  MESSAGE_PAST_HORIZON: { retryable: false },
  MESSAGE_FROM_FUTURE: { retryable: false },
  HANDLER_FAILED: { retryable: true },
  HANDLER_GAVE_UP: { retryable: false },
  CONSUMER_DIED: { retryable: false },
  ASKED_AGAIN: { retryable: true },
  TRANSACTION_ABORTED: { retryable: false },
  TRANSACTION_ENDED: { retryable: false },
  ISOLATION_TOO_STRICT: { retryable: false },
  BUSINESS_KEY_TAKEN: { retryable: true },
  TOO_MANY_BUSINESS_KEYS: { retryable: true },
  IDS_EXHAUSTED: { retryable: true },
  SCHEMA_NOT_MIGRATED: { retryable: false },
  MIGRATION_CHANGED: { retryable: false },
  MIGRATION_MISSING: { retryable: false },
  MIGRATION_FAILED: { retryable: false },
  DATABASE_UNREACHABLE: { retryable: true },
  DATABASE_NOT_PRIMARY: { retryable: true },
  SESSION_NOT_KEPT: { retryable: false },
  WINDOW_IN_TRANSACTION: { retryable: false },
  LEASE_LOST: { retryable: true },
  LANE_MISSING: { retryable: false },
  TRANSPORT_UNREACHABLE: { retryable: true },
  TRANSPORT_FAILED: { retryable: true },
  TOPIC_MISSING: { retryable: true },
  PAUSED: { retryable: true },
  TOPIC_NOT_PAUSED: { retryable: false },
  TOPIC_NOT_DRAINED: { retryable: true },
  TOPIC_WITHOUT_GROUP: { retryable: false },
  RECORD_TOO_LARGE: { retryable: false },
  RECORD_REFUSED: { retryable: false },
  NOT_AUTHORIZED: { retryable: false },
  STOP_DEADLINE_PASSED: { retryable: true },
} as const satisfies Record<string, { retryable: boolean }>

/** A stable code: one of `errorCodes`. */
export type ErrorCode = keyof typeof errorCodes

/** What an error carries beside its code and its text. */
export interface OnceboxErrorOptions {
  /** The next step for whoever reads the error: a sentence in the imperative. Default: none. */
  readonly next?: string
  /** The error that lies behind it. Default: none. */
  readonly cause?: unknown
}

/** The one error class. Decisions rest on `code` and `retryable`, never on the text. */
export class OnceboxError extends Error {
  override readonly name = 'OnceboxError'
  /** What happened: one of `errorCodes`, listed in `docs/errors.md`. */
  readonly code: ErrorCode
  /** Whether trying the same thing again can help while nobody mends anything. */
  readonly retryable: boolean
  /** The next step, which the message ends with. */
  readonly next: string | undefined

  constructor(code: ErrorCode, what: string, options: OnceboxErrorOptions = {}) {
    super(options.next === undefined ? what : `${what}. ${options.next}`, { cause: options.cause })
    this.code = code
    this.retryable = errorCodes[code].retryable
    this.next = options.next
  }
}

/** True for an error of this project, with the given code when one is given. Works across copies of the package. */
export function isOnceboxError(error: unknown, code?: ErrorCode): error is OnceboxError {
  return (
    error instanceof Error &&
    error.name === 'OnceboxError' &&
    (code === undefined || (error as { code?: unknown }).code === code)
  )
}
