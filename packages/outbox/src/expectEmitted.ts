import { AssertionError } from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import { decodePayload, encodePayload, type Tx } from '@oncebox/core'
import { type EmittedMessage, emittedMessages } from './emittedMessages.js'

export type { EmittedMessage }

/** What a test says about a message; what it leaves out may be anything. */
export interface ExpectedMessage {
  readonly type: string
  readonly id?: string
  readonly topic?: string
  readonly key?: string | null
  readonly source?: string
  /** Compared after a round through the payload, so that a Date stands for its text. */
  readonly data?: unknown
  /** Further headers may be there. */
  readonly headers?: Readonly<Record<string, string>>
  readonly contentType?: string | null
  readonly deliverAt?: Date | null
}

export interface ExpectEmittedOptions {
  /** Default `oncebox`. */
  readonly schema?: string
}

/**
 * For tests: asserts that the open transaction `tx` has emitted exactly the `expected` messages, in that order
 * (scheduled ones last); `[]`: none. Resolves with the messages. Needs the right to read the outbox.
 *
 * @throws AssertionError (`node:assert`) with both lists and the differences.
 */
export async function expectEmitted(
  tx: Tx,
  expected: readonly ExpectedMessage[],
  options: ExpectEmittedOptions = {},
): Promise<EmittedMessage[]> {
  const emitted = await emittedMessages(tx, options.schema ?? 'oncebox')
  const wanted = expected.map((message, index) => completed(message, emitted[index]))
  const problems = wanted.flatMap((message, index) => differences(message, emitted[index], index))
  for (const extra of emitted.slice(expected.length)) problems.push(`not expected: ${describe(extra)}`)
  if (problems.length > 0) {
    throw new AssertionError({
      message: [`The transaction emitted ${emitted.length} messages, ${expected.length} expected:`, ...problems].join(
        '\n  ',
      ),
      actual: emitted,
      expected: wanted,
      operator: 'expectEmitted',
    })
  }
  return emitted
}

/** The expected message, with what it leaves out taken from the emitted one, so that a diff shows only what differs. */
function completed(expected: ExpectedMessage, emitted: EmittedMessage | undefined): Record<string, unknown> {
  const full: Record<string, unknown> = { ...emitted, ...expected }
  if (expected.headers !== undefined) full.headers = { ...emitted?.headers, ...expected.headers }
  if (expected.data !== undefined) full.data = aroundTheWire(expected.data)
  if (expected.id !== undefined) full.id = expected.id.toLowerCase()
  return full
}

function aroundTheWire(data: unknown): unknown {
  if (data === null) return null
  const { bytes, contentType } = encodePayload(data)
  return decodePayload(Buffer.from(bytes), contentType)
}

function differences(wanted: Record<string, unknown>, emitted: EmittedMessage | undefined, index: number): string[] {
  if (emitted === undefined) return [`missing: #${index} ${describe(wanted)}`]
  return Object.entries(wanted)
    .filter(([name, value]) => !isDeepStrictEqual(emitted[name as keyof EmittedMessage], value))
    .map(
      ([name, value]) =>
        `#${index} ${name}: expected ${render(value)}, emitted ${render(emitted[name as keyof EmittedMessage])}`,
    )
}

function describe(message: Readonly<Partial<Record<string, unknown>>> | EmittedMessage): string {
  const { type, key } = message
  return `${render(type)}${key === undefined || key === null ? '' : ` with key ${render(key)}`}`
}

function render(value: unknown): string {
  return JSON.stringify(value) ?? String(value)
}
