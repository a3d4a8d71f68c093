import { OnceboxError } from '@oncebox/core'
import type { DeadLetterFilter, MessageFilter, PauseTarget } from '@oncebox/ops'

/** What the page sends: the fields of a query or of a JSON body, of which nothing is believed yet. */
export type Fields = Readonly<Record<string, unknown>>

/** The fields of a request's body. @throws OnceboxError `INVALID_SETTING` when there is no JSON object in it. */
export async function fieldsOf(request: { json(): Promise<unknown> }): Promise<Fields> {
  const value = await request.json().catch(() => null)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw invalid('The body of the request is no JSON object')
}

/** Absent and empty are the same. @throws OnceboxError `INVALID_SETTING` when it is no text. */
export function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name]
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string') throw invalid(`The field ${name} is no text`)
  return value
}

/** @throws OnceboxError `INVALID_SETTING` when it is given and no whole number from 0 up. */
export function numberOf(fields: Fields, name: string): number | undefined {
  const value = fields[name]
  if (value === undefined || value === null || value === '') return undefined
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'string' && /^\d{1,15}$/.test(value)
        ? Number(value)
        : Number.NaN
  if (!Number.isSafeInteger(number) || number < 0) throw invalid(`The field ${name} is no whole number`)
  return number
}

const hourMs = 3_600_000

/** Messages by topic, key and type, of the last hour unless `from` and `to` (milliseconds since the Unix epoch) are given. */
export function messageFilterOf(fields: Fields, nowMs: number): MessageFilter {
  const toMs = numberOf(fields, 'to') ?? nowMs + 60_000
  return given({
    topic: textOf(fields, 'topic'),
    key: textOf(fields, 'key'),
    type: textOf(fields, 'type'),
    fromMs: numberOf(fields, 'from') ?? toMs - hourMs,
    toMs,
  })
}

/** @throws OnceboxError `INVALID_SETTING` when something in it is not of the right kind. */
export function deadLetterFilterOf(fields: Fields): DeadLetterFilter {
  const { numbers } = fields
  if (numbers !== undefined && !(Array.isArray(numbers) && numbers.every((one) => typeof one === 'string'))) {
    throw invalid('The field numbers is no list of texts')
  }
  return given({
    numbers: numbers as string[] | undefined,
    group: textOf(fields, 'group'),
    topic: textOf(fields, 'topic'),
    type: textOf(fields, 'type'),
    reason: textOf(fields, 'reason'),
  })
}

/** A lane or a topic. @throws OnceboxError `INVALID_SETTING` when it is neither, or both. */
export function pauseTargetOf(fields: Fields): PauseTarget {
  const [lane, topic] = [numberOf(fields, 'lane'), textOf(fields, 'topic')]
  if (lane !== undefined && topic === undefined) return { lane }
  if (topic !== undefined && lane === undefined) return { topic }
  throw invalid('Either a lane or a topic is paused and resumed')
}

/** Only what was given, so that optional settings stay absent. */
export function given<T extends object>(values: T): Given<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Given<T>
}

type OptionalNames<T> = { [Name in keyof T]: undefined extends T[Name] ? Name : never }[keyof T]
type Given<T> = { [Name in Exclude<keyof T, OptionalNames<T>>]: T[Name] } & {
  [Name in OptionalNames<T>]?: Exclude<T[Name], undefined>
}

function invalid(what: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what)
}
