import { isReservedHeader } from '@oncebox/core'
import { invalidMessage, textProblem } from './refusal.js'

/**
 * The user's headers and the trace context as the text of one JSON object, null when there are none. A user's own
 * `traceparent` stands for itself: the caller's context is not mixed with it.
 *
 * @throws OnceboxError `INVALID_MESSAGE` for names that are empty or reserved, values that are not strings, and text
 *   that Postgres or UTF-8 cannot hold.
 */
export function encodeHeaders(
  headers: Readonly<Record<string, string>> | undefined,
  trace: Readonly<Record<string, string>> | null,
): string | null {
  if (headers === undefined) return trace === null ? null : JSON.stringify(trace)
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw invalidMessage('The headers are not an object')
  }
  for (const [name, value] of Object.entries<unknown>(headers)) checkHeader(name, value)
  // Without a prototype, a header named __proto__ is one like any other.
  const all: Record<string, string> = Object.assign(
    Object.create(null),
    Object.hasOwn(headers, 'traceparent') ? null : trace,
    headers,
  )
  return Object.keys(all).length === 0 ? null : JSON.stringify(all)
}

function checkHeader(name: string, value: unknown): void {
  if (name === '') throw invalidMessage('A header has an empty name')
  const nameProblem = textProblem(name)
  if (nameProblem !== null) throw invalidMessage(`The name of a header ${nameProblem}`)
  if (isReservedHeader(name)) throw invalidMessage(`The header name ${JSON.stringify(name)} is reserved`)
  const valueProblem = textProblem(value)
  if (valueProblem !== null) throw invalidMessage(`The value of header ${JSON.stringify(name)} ${valueProblem}`)
}
