import { classifyDatabaseError, type ErrorCode, OnceboxError, sqlState } from '@oncebox/core'

/** For logs: a code, never the text, which can quote a row. */
export function failureCode(error: unknown): string {
  const code = sqlState(error) ?? (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown'
}

/** A failed call on pg-boss as an error of ours. */
export function transportError(what: string, error: unknown): OnceboxError {
  const away = classifyDatabaseError(error) === 'unavailable'
  return new OnceboxError(
    away ? 'TRANSPORT_UNREACHABLE' : sqlState(error) === '42501' ? 'NOT_AUTHORIZED' : 'TRANSPORT_FAILED',
    `${what} (${failureCode(error)})`,
    { next: away ? 'Check that the database is up and the address right.' : 'See the cause.', cause: error },
  )
}

/**
 * What a failed insert means.
 *
 * - `refused`: at least one of its records will be refused again (a value Postgres cannot take, or too large).
 * - `allRefused`: none of them will ever pass until somebody mends the cause.
 * - `failed`: trying again is right.
 */
export function insertFailure(error: unknown): {
  readonly kind: 'refused' | 'allRefused' | 'failed'
  readonly code: ErrorCode
  readonly reason: string
} {
  const state = sqlState(error) ?? ''
  const reason = `Postgres answered ${failureCode(error)}`
  if (classifyDatabaseError(error) === 'unavailable') return { kind: 'failed', code: 'TRANSPORT_UNREACHABLE', reason }
  if (state.startsWith('54')) return { kind: 'refused', code: 'RECORD_TOO_LARGE', reason }
  if (/^2[23]/.test(state)) return { kind: 'refused', code: 'RECORD_REFUSED', reason }
  if (state === '42501') return { kind: 'allRefused', code: 'NOT_AUTHORIZED', reason }
  return { kind: 'failed', code: 'TRANSPORT_FAILED', reason }
}
