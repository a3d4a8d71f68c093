import { isOnceboxError } from './errors.js'

/** The SQLSTATE (five characters) of a driver's error or of one among its causes; undefined when there is none. */
export function sqlState(error: unknown): string | undefined {
  for (const current of causes(error)) {
    const code = stateIn(current)
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return code
  }
  return undefined
}

/**
 * Not every code of five capitals and digits is a SQLSTATE: errors of system calls (EPIPE) name the call; Prisma's own
 * (P2010) name the client's version, and its driver adapter's error says what the server said.
 */
function stateIn(error: Error): unknown {
  const { code, syscall, clientVersion, cause } = error as {
    readonly code?: unknown
    readonly syscall?: unknown
    readonly clientVersion?: unknown
    readonly cause?: { readonly originalCode?: unknown } | null
  }
  return syscall === undefined && clientVersion === undefined ? (code ?? cause?.originalCode) : undefined
}

/**
 * What a failed statement or COMMIT means for whoever ran it. The only file that decides from a SQLSTATE.
 *
 * - `conflict`: serialization failure, deadlock or out of memory (40001, 40P01, 53200): the same work, smaller, can pass.
 * - `unavailable`: the connection or the server is gone, starting, stopping, read-only or full (classes 08, 53, 57P, 58,
 *   25006, `DATABASE_UNREACHABLE`): wait and do the same again.
 * - `lockTimeout`: 55P03: somebody holds the lock; later.
 * - `aborted`: 25P02, `TRANSACTION_ABORTED`: an earlier statement failed and its error was swallowed.
 * - `other`: the work itself is at fault; also when it took so long that the server ended it (57014, 25P03, 25P04).
 */
export type DatabaseErrorClass = 'conflict' | 'unavailable' | 'lockTimeout' | 'aborted' | 'other'

/**
 * Classifies what `Database.transaction` throws, which may be any error of the user's work: only SQLSTATEs and our own
 * codes count. A socket error says nothing here, for it may come from the work's own HTTP call; that the database's
 * connection is lost, `Database.transaction` says itself, by `DATABASE_UNREACHABLE`.
 */
export function classifyTransactionError(error: unknown): DatabaseErrorClass {
  const state = sqlState(error)
  // The server ended the session because the work let it wait: that this lost the connection is the work's fault.
  if (state === '25P03' || state === '25P04') return 'other'
  for (const current of causes(error)) {
    if (isOnceboxError(current, 'DATABASE_UNREACHABLE')) return 'unavailable'
    if (isOnceboxError(current, 'TRANSACTION_ABORTED')) return 'aborted'
  }
  if (state === undefined) return 'other'
  if (state === '40001' || state === '40P01' || state === '53200') return 'conflict'
  if (state === '55P03') return 'lockTimeout'
  if (state === '25P02') return 'aborted'
  if (/^(08|53|57P|58)/.test(state) || state === '25006') return 'unavailable'
  return 'other'
}

const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
])

/**
 * pg throws errors without any code for a socket that ended; these are its fixed texts, not the server's, and a test
 * holds them against the real client. The one place that looks at a text, because there is nothing else to look at.
 */
const driverConnectionTexts = new Set([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Connection terminated due to connection timeout',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'timeout expired',
  'Query read timeout',
  'timeout exceeded when trying to connect',
])

/** Classifies an error that a driver itself threw: what `classifyTransactionError` knows, and lost sockets. */
export function classifyDatabaseError(error: unknown): DatabaseErrorClass {
  const known = classifyTransactionError(error)
  if (known !== 'other' || sqlState(error) !== undefined) return known
  for (const current of causes(error)) {
    const code = (current as { code?: unknown }).code
    if (typeof code === 'string' && socketCodes.has(code)) return 'unavailable'
    if (code === undefined && driverConnectionTexts.has(current.message)) return 'unavailable'
  }
  return 'other'
}

/**
 * True when `error`, or an error it wraps, is a violation (SQLSTATE 23505) of the unique constraint or unique index with
 * this name. It is told by code and name as Postgres sends them, which pg calls `constraint`, postgres.js
 * `constraint_name` and Prisma `constraint.index`; libraries wrap that error as `cause` or `driverError`, Prisma as
 * `meta.driverAdapterError`. Never by text, which depends on the server's language.
 *
 * Ask outside of the transaction that failed: inside it no further statement is possible.
 */
export function uniqueViolation(error: unknown, constraint: string): boolean {
  const seen = new Set<unknown>()
  const waiting = [error]
  while (waiting.length > 0 && seen.size < 16) {
    const current = waiting.shift()
    if (typeof current !== 'object' || current === null || seen.has(current)) continue
    seen.add(current)
    const { code, originalCode, constraint: name, constraint_name, cause, driverError } = current as DriverError
    const names: unknown[] = [name, constraint_name, (name as PrismaConstraint | undefined)?.index]
    if ((code ?? originalCode) === '23505' && names.includes(constraint)) return true
    waiting.push(cause, driverError, driverAdapterError(current))
  }
  return false
}

type DriverError = Readonly<
  Partial<Record<'code' | 'originalCode' | 'constraint' | 'constraint_name' | 'cause' | 'driverError', unknown>>
>
type PrismaConstraint = { readonly index?: unknown }

function* causes(error: unknown): Generator<Error> {
  let current = error
  for (let depth = 0; current instanceof Error && depth < 8; depth++) {
    yield current
    current = current.cause ?? driverAdapterError(current)
  }
}

/** Where Prisma keeps the error of the driver below it. */
function driverAdapterError(error: object): unknown {
  return (error as { readonly meta?: { readonly driverAdapterError?: unknown } | null }).meta?.driverAdapterError
}
