import { OnceboxError } from '@oncebox/core'

/** Why a value is no text that Postgres and UTF-8 can hold, or null. */
export function textProblem(value: unknown): string | null {
  if (typeof value !== 'string') return 'is not a string'
  if (value.includes('\0')) return 'holds a NUL character'
  if (!value.isWellFormed()) return 'holds a lone surrogate'
  return null
}

export function invalidMessage(what: string): OnceboxError {
  return new OnceboxError('INVALID_MESSAGE', what, { next: 'Mend the message; nothing was written.' })
}
