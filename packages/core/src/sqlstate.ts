/** The SQLSTATE (five characters) of a driver's error, or undefined when it carries none. */
export function sqlState(error: unknown): string | undefined {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth++) {
    const code = (current as { code?: unknown }).code
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return code
  }
  return undefined
}

/**
 * What a failed statement or COMMIT means for whoever ran it. The only file that decides from a SQLSTATE.
 *
 * - `conflict`: serialization failure, deadlock or out of memory (40001, 40P01, 53200): the same work, smaller, can pass.
 * - `unavailable`: the connection or the server is gone, starting, stopping, read-only or full (classes 08, 53, 57P, 25006,
 *   and socket errors): wait and do the same again.
 * - `lockTimeout`: 55P03: somebody holds the lock; later.
 * - `aborted`: 25P02: an earlier statement of the transaction failed and the error was swallowed.
 * - `other`: the work itself is at fault.
 */
export type DatabaseErrorClass = 'conflict' | 'unavailable' | 'lockTimeout' | 'aborted' | 'other'

const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** pg throws plain errors without a code for a socket that ended; these are its fixed texts, not the server's. */
const driverConnectionTexts = new Set([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Connection terminated due to connection timeout',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'timeout exceeded when trying to connect',
])

export function classifyDatabaseError(error: unknown): DatabaseErrorClass {
  const state = sqlState(error)
  if (state !== undefined && !socketCodes.has(state)) {
    if (state === '40001' || state === '40P01' || state === '53200') return 'conflict'
    if (state === '55P03') return 'lockTimeout'
    if (state === '25P02') return 'aborted'
    if (/^(08|53|57P|58)/.test(state) || state === '25006') return 'unavailable'
    return 'other'
  }
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth++) {
    const code = (current as { code?: unknown }).code
    if (typeof code === 'string' && socketCodes.has(code)) return 'unavailable'
    if (code === undefined && driverConnectionTexts.has(current.message)) return 'unavailable'
  }
  return 'other'
}
