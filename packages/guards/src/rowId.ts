import { OnceboxError, quoteIdentifier } from '@oncebox/core'
import type { ColumnValue, ColumnValues } from './columnValues.js'
import { isExpression } from './expression.js'
import type { Statement } from './statement.js'

/** Which row: the value of its column `id`, or columns with values, such as `{ code: 'C-1' }`, for another key. */
export type RowId = string | number | bigint | ColumnValues

/** The same as columns with values. */
export function idColumns(id: RowId): ColumnValues {
  const columns: ColumnValues = typeof id === 'object' && id !== null ? id : { id }
  const entries: [string, ColumnValue | undefined][] = Object.entries(columns)
  if (entries.length === 0) throw invalidId('The id of the row names no column')
  for (const [column, value] of entries) {
    if (value === null || value === undefined || isExpression(value)) {
      throw invalidId(`The id of the row has no value for column ${JSON.stringify(column)}`)
    }
  }
  return columns
}

/** The condition that a row named `target` is the one. */
export function isRow(statement: Statement, columns: ColumnValues): string {
  const row = statement.row(columns)
  return Object.keys(columns)
    .map(quoteIdentifier)
    .map((column) => `target.${column} = (SELECT given.${column} FROM ${row})`)
    .join(' AND ')
}

/** Refuses columns that the guard itself sets. */
export function requireFree(assigned: object, taken: readonly string[]): void {
  const column = taken.find((name) => Object.hasOwn(assigned, name))
  if (column === undefined) return
  throw new OnceboxError('INVALID_SETTING', `Column ${JSON.stringify(column)} is set by the guard itself`, {
    next: 'Leave it out of set.',
  })
}

function invalidId(what: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what, { next: 'Give the value of the column id, or { column: value }.' })
}
