import { classifyDatabaseError, type ErrorCode, isOnceboxError, sqlState } from '@oncebox/core'
import { type ExitCode, exitCode } from './exitCode.js'

/** The command line or the environment is at fault. `next` says what to type instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly next: string | undefined

  constructor(what: string, next?: string) {
    super(what)
    this.next = next
  }
}

/** What is said about a failure: no stack, no values, nothing that a driver put beside its message. */
export interface Failure {
  readonly exitCode: ExitCode
  /** Of the project where it is one of ours, otherwise the SQLSTATE or the system's own code. */
  readonly code: string | undefined
  readonly what: string
  readonly next: string | undefined
}

const usageCodes: readonly ErrorCode[] = ['INVALID_SETTING']
const unreachableCodes: readonly ErrorCode[] = ['DATABASE_UNREACHABLE', 'TRANSPORT_UNREACHABLE']

/** Decides what a thrown error means for whoever started the command. */
export function failureOf(error: unknown): Failure {
  if (error instanceof UsageError) {
    return { exitCode: exitCode.usage, code: undefined, what: error.message, next: error.next }
  }
  if (isOnceboxError(error)) {
    const { code, next, message } = error
    const what = next === undefined ? message : message.replace(`. ${next}`, '')
    return { exitCode: exitCodeOf(code), code, what: `${what}${causeOf(error)}`, next }
  }
  const unavailable = classifyDatabaseError(error) === 'unavailable'
  const state = sqlState(error)
  return {
    exitCode: unavailable ? exitCode.unreachable : exitCode.problem,
    code: state ?? systemCode(error),
    what: foreignText(error),
    next: unavailable ? 'Try again when the server is back.' : state === undefined ? undefined : adviceByState[state],
  }
}

/** What an operator does about a refusal of the database, by its SQLSTATE. */
const adviceByState: Readonly<Record<string, string>> = {
  '42501':
    'Use a login that has the role for this: oncebox_viewer to look, oncebox_operator to act ("oncebox migrate --roles" makes them).',
  '55P03': 'Somebody holds a lock on a table: "oncebox doctor" names the session.',
}

function exitCodeOf(code: ErrorCode): ExitCode {
  if (usageCodes.includes(code)) return exitCode.usage
  if (unreachableCodes.includes(code)) return exitCode.unreachable
  return exitCode.problem
}

/** The code below one of our errors, in parentheses: ECONNREFUSED, 28P01. The text below it stays out. */
function causeOf(error: Error): string {
  const code = sqlState(error.cause) ?? systemCode(error.cause)
  return code === undefined ? '' : ` (${code})`
}

/** The system's or the driver's own code of an error: ECONNREFUSED. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' ? code : undefined
}

/** SQLSTATE classes 22 (data exception) and 23 (constraint): their texts quote the values that were refused. */
const quotesValues = /^2[23]/

/** The text of an error that is not ours: a driver's, the system's, or a fault in the code. */
export function foreignText(error: unknown): string {
  const state = sqlState(error)
  if (state !== undefined && quotesValues.test(state)) return `Postgres refused a value with SQLSTATE ${state}`
  if (error instanceof Error) return error.message === '' ? (systemCode(error) ?? error.name) : error.message
  return 'Something that is not an error was thrown'
}
