import { OnceboxError } from '@oncebox/core'

/** What may stand in `${…}` of an `expression`: it travels as a parameter, never as SQL. */
export type ExpressionValue = string | number | bigint | boolean | Date | null

/** A piece of SQL with parameters, or an increment. Made by `expression` and `increment` only. */
export interface Expression {
  readonly [mark]: 'sql' | 'increment'
  /** SQL texts around the values; one more than there are values. */
  readonly texts: readonly string[]
  readonly values: readonly ExpressionValue[]
}

// A registered symbol, so that an expression of another copy of the package is one too. JSON from outside never has it.
const mark: unique symbol = Symbol.for('oncebox.expression')

/**
 * SQL for a condition or a new value, as a template: ``expression`money >= ${amount}` ``. The text is the program's own;
 * every `${value}` becomes a parameter: text, bigint (whole numbers), numeric, boolean or timestamptz (a Date). A text
 * that is compared with another type wants a cast: ``expression`owner = ${id}::uuid` ``. Columns of the row stand by
 * their names, in `upsert` as `target.column` (the row that is there) and `excluded.column` (the one that came).
 *
 * @throws OnceboxError `INVALID_SETTING` when it is called as a plain function or given a value of another type.
 */
export function expression(texts: TemplateStringsArray, ...values: readonly ExpressionValue[]): Expression {
  if (!Array.isArray(texts) || !Array.isArray(texts.raw) || texts.length !== values.length + 1) {
    throw new OnceboxError('INVALID_SETTING', 'expression was called as a function', {
      next: 'Write it as a template, with a backtick right after its name, so that values become parameters.',
    })
  }
  for (const value of values) parameterOf(value)
  return { [mark]: 'sql', texts: [...texts], values }
}

/**
 * The column plus `by` (default 1; negative takes away); a NULL counts as 0. In `set` of `transition` and `versioned`
 * and in `update` of `upsert`.
 *
 * @throws OnceboxError `INVALID_SETTING` when `by` is no finite number.
 */
export function increment(by: number | bigint = 1): Expression {
  if (typeof by !== 'bigint' && !Number.isFinite(by)) {
    throw new OnceboxError('INVALID_SETTING', 'increment was given something that is not a finite number')
  }
  return { [mark]: 'increment', texts: [], values: [by] }
}

export function isExpression(value: unknown): value is Expression {
  return typeof value === 'object' && value !== null && mark in value
}

export function isIncrement(value: Expression): boolean {
  return value[mark] === 'increment'
}

/** A value as text, and the type it is cast to; null is written into the SQL. */
export function parameterOf(value: ExpressionValue): { readonly text: string; readonly type: string } | null {
  if (value === null) return null
  if (typeof value === 'string' && value.isWellFormed() && !value.includes('\0')) return { text: value, type: 'text' }
  if (typeof value === 'boolean') return { text: String(value), type: 'boolean' }
  if (typeof value === 'bigint') return { text: String(value), type: 'numeric' }
  if (typeof value === 'number' && Number.isFinite(value)) {
    return { text: String(value), type: Number.isSafeInteger(value) ? 'bigint' : 'numeric' }
  }
  if (value instanceof Date && !Number.isNaN(value.getTime())) {
    return { text: value.toISOString(), type: 'timestamptz' }
  }
  throw new OnceboxError('INVALID_SETTING', 'An expression holds a value that cannot be a parameter', {
    next: 'Give a well-formed text, a finite number, a bigint, a boolean, a valid Date or null.',
  })
}
