import { quoteIdentifier } from '@oncebox/core'
import type { ColumnValue, ColumnValues } from './columnValues.js'
import { type Expression, isExpression } from './expression.js'
import type { Statement } from './statement.js'

/** New values of columns: as they are, or computed by Postgres. */
export type Assignments = Readonly<Record<string, ColumnValue | Expression>>

/** Values and expressions apart. */
export function sorted(assignments: Assignments): {
  readonly values: ColumnValues
  readonly expressions: readonly (readonly [string, Expression])[]
} {
  const entries = Object.entries(assignments)
  const isComputed = (entry: [string, ColumnValue | Expression]): entry is [string, Expression] =>
    isExpression(entry[1])
  return {
    values: Object.fromEntries(entries.filter((entry) => !isComputed(entry))) as ColumnValues,
    expressions: entries.filter(isComputed),
  }
}

/** The list after SET, for a statement whose row is named `target`. Empty when nothing is assigned. */
export function setList(statement: Statement, assignments: Assignments): string {
  const { values, expressions } = sorted(assignments)
  const columns = Object.keys(values).map(quoteIdentifier)
  const list = expressions.map(
    ([column, given]) => `${quoteIdentifier(column)} = ${statement.expression(given, column)}`,
  )
  if (columns.length > 0) {
    const given = columns.map((column) => `given.${column}`).join(', ')
    list.unshift(`(${columns.join(', ')}) = (SELECT ${given} FROM ${statement.row(values)})`)
  }
  return list.join(', ')
}
