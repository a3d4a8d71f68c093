import { classifyDatabaseError, isOnceboxError, type Logger, sqlState } from '@oncebox/core'

/** A failure as the page is told it: never the text of a driver's error, which may quote a value. */
export interface Failure {
  readonly status: 400 | 403 | 409 | 500 | 503
  readonly code: string
  readonly what: string
  readonly next: string | null
}

/** Pure. What an error means to somebody who looks at the page. */
export function failureOf(error: unknown): Failure {
  if (isOnceboxError(error)) {
    const status = error.code === 'INVALID_SETTING' ? 400 : error.code === 'SCHEMA_NOT_MIGRATED' ? 409 : 503
    return { status, code: error.code, what: error.message, next: null }
  }
  switch (sqlState(error)) {
    case '42501':
      return {
        status: 403,
        code: 'NOT_AUTHORIZED',
        what: "The dashboard's database user may not read or do this",
        next: 'Give it the rights of the operator: see "oncebox roles".',
      }
    case '42P01':
    case '42703':
    case '3F000':
      return {
        status: 409,
        code: 'SCHEMA_NOT_MIGRATED',
        what: 'The schema is not there, or older than this dashboard',
        next: 'Run "oncebox migrate".',
      }
    case '22021':
      return {
        status: 400,
        code: 'INVALID_SETTING',
        what: 'A text of the request holds a NUL character, which no message can',
        next: null,
      }
    case '57014':
    case '55P03':
      return {
        status: 503,
        code: 'TIMED_OUT',
        what: 'The database took longer than the dashboard waits',
        next: 'Narrow the time range, or look with the command line.',
      }
  }
  if (classifyDatabaseError(error) === 'unavailable') {
    return { status: 503, code: 'DATABASE_UNREACHABLE', what: 'The database does not answer', next: null }
  }
  return { status: 500, code: 'UNEXPECTED', what: 'Something failed that should not', next: 'See the log.' }
}

/** What nobody expected is written down, by name and code only. */
export function logFailure(logger: Logger, failure: Failure, error: unknown): void {
  if (failure.status !== 500) return
  const { name, code } =
    error instanceof Error ? (error as Error & { code?: unknown }) : { name: typeof error, code: null }
  logger.error({ name, code: typeof code === 'string' ? code : null }, 'A request of the dashboard failed')
}
