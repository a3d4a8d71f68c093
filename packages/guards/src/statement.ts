import { OnceboxError, quoteIdentifier } from '@oncebox/core'
import { type ColumnValues, rowJson } from './columnValues.js'
import { type Expression, isIncrement, parameterOf } from './expression.js'

/** A table by its name (`coupon`), with its schema (`shop.coupon`), or in parts when a name holds a dot. */
export type TableName = string | { readonly schema: string; readonly name: string }

/**
 * The quoted name of a table.
 *
 * @throws OnceboxError `INVALID_SETTING`.
 */
export function quoteTable(table: TableName): string {
  if (typeof table !== 'string') return `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`
  const parts = table.split('.')
  if (parts.length > 2) {
    throw new OnceboxError('INVALID_SETTING', `Table name ${JSON.stringify(table)} has more than one dot`, {
      next: 'Give { schema, name }.',
    })
  }
  return parts.map(quoteIdentifier).join('.')
}

/** The parameters of one statement, all of them texts, and the pieces of SQL that refer to them. */
export class Statement {
  readonly values: string[] = []
  /** The quoted table. */
  readonly table: string

  constructor(table: TableName) {
    this.table = quoteTable(table)
  }

  /** `$n`, typed as text, so that no driver guesses another type for it. */
  text(value: string): string {
    this.values.push(value)
    return `$${this.values.length}::text`
  }

  /** A row of the table's own types, as an item of FROM, to be named `given`. Columns that are not given are NULL. */
  row(values: ColumnValues): string {
    return `json_populate_record(NULL::${this.table}, ${this.text(rowJson(values))}::json) AS given`
  }

  /** The same for several rows. */
  rows(rows: readonly ColumnValues[]): string {
    return `json_populate_recordset(NULL::${this.table}, ${this.text(`[${rows.map(rowJson).join()}]`)}::json) AS given`
  }

  /** The SQL of an expression; `column` is the one that an increment counts in. */
  expression(given: Expression, column: string | null): string {
    const values = given.values.map((value) => {
      const parameter = parameterOf(value)
      return parameter === null ? 'NULL' : `${this.text(parameter.text)}::${parameter.type}`
    })
    if (isIncrement(given)) {
      if (column === null) throw new OnceboxError('INVALID_SETTING', 'increment stands where no column is updated')
      return `coalesce(target.${quoteIdentifier(column)}, 0) + ${values[0]}`
    }
    // The line break ends a comment at the end of the text before the parenthesis.
    return `(${given.texts.map((text, index) => text + (values[index] ?? '')).join('')}\n)`
  }
}
