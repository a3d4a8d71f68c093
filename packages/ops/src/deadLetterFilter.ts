import { OnceboxError } from '@oncebox/core'

/** Which dead letters: those for which everything given here is true. */
export interface DeadLetterFilter {
  /** Decimal texts. */
  readonly numbers?: readonly string[]
  readonly group?: string
  readonly topic?: string
  readonly type?: string
  /** A code of `docs/errors.md`. */
  readonly reason?: string
  /** Dead for at least so many milliseconds. */
  readonly olderThanMs?: number
  /** Dead for at most so many milliseconds. */
  readonly youngerThanMs?: number
}

/**
 * The filter as a condition on `letter`, with its parameters from `$1` on.
 *
 * @throws OnceboxError `INVALID_SETTING` for a number that is none.
 */
export function whereOf(filter: DeadLetterFilter): { readonly where: string; readonly values: unknown[] } {
  const conditions: string[] = []
  const values: unknown[] = []
  const add = (condition: (parameter: string) => string, value: unknown) => {
    values.push(value)
    conditions.push(condition(`$${values.length}`))
  }
  const { numbers, olderThanMs, youngerThanMs } = filter
  if (numbers !== undefined) {
    const wrong = numbers.find((number) => !/^\d{1,18}$/.test(number))
    if (wrong !== undefined) throw new OnceboxError('INVALID_SETTING', 'The number of a dead letter is no whole number')
    add(
      (list) => `letter.number IN (SELECT each::bigint FROM json_array_elements_text(${list}::text::json) AS each)`,
      JSON.stringify(numbers),
    )
  }
  const equal = { group: 'consumer', topic: 'topic', type: 'type', reason: 'reason' } as const
  for (const [name, column] of Object.entries(equal)) {
    const wanted = filter[name as keyof typeof equal]
    if (wanted !== undefined) add((text) => `letter.${column} = ${text}::text`, wanted)
  }
  const since = (ms: string) => `clock_timestamp() - ${ms}::text::double precision * interval '1 millisecond'`
  if (olderThanMs !== undefined) add((ms) => `letter.dead_at <= ${since(ms)}`, String(olderThanMs))
  if (youngerThanMs !== undefined) add((ms) => `letter.dead_at >= ${since(ms)}`, String(youngerThanMs))
  return { where: conditions.length === 0 ? 'true' : conditions.join(' AND '), values }
}
