import { OnceboxError, toPlainJson } from '@oncebox/core'

/**
 * A value of a column. It travels in one JSON text and Postgres turns it into the column's own type, whichever driver
 * is used: a Date into a timestamp, a bigint or a numeric text into a 64-bit number, bytes into `bytea`, an array into
 * an array or JSON column, an object into a JSON column.
 */
export type ColumnValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Date
  | Uint8Array
  | readonly unknown[]
  | { readonly [name: string]: unknown }

/** Column names with values. */
export type ColumnValues = Readonly<Record<string, ColumnValue>>

/**
 * One row as JSON text for `json_populate_record`.
 *
 * @throws OnceboxError `PAYLOAD_NOT_ENCODABLE` for what JSON or Postgres would lose or refuse, naming the column.
 */
export function rowJson(values: ColumnValues): string {
  // Without a prototype, a column named __proto__ is one like any other.
  const row: Record<string, unknown> = Object.create(null)
  for (const [column, value] of Object.entries(values)) row[column] = plainValue(column, value)
  return JSON.stringify(row)
}

function plainValue(column: string, value: ColumnValue): unknown {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) {
    return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`
  }
  if (typeof value === 'string' && value.includes('\0')) throw notEncodable(column, '(root)', 'a NUL character')
  return toPlainJson(value, (path, what) => notEncodable(column, path, what))
}

function notEncodable(column: string, path: string, what: string): OnceboxError {
  const place = path === '(root)' ? '' : ` at ${path.replace('(root)', '')}`
  return new OnceboxError(
    'PAYLOAD_NOT_ENCODABLE',
    `The value of column ${JSON.stringify(column)} holds ${what}${place}`,
    {
      next: 'Convert it before; nothing was written.',
    },
  )
}
