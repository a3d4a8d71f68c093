import type { RowText, TableRows, UserTable } from './userTables.js'

/** `table.column` of columns that are not compared. */
export type Masked = ReadonlySet<string>

/** How one table differs from what it should be. */
export interface TableDifference {
  readonly table: string
  readonly expectedRows: number
  readonly actualRows: number
  /** Rows that should be there and are not, at most three, as JSON. */
  readonly missing: readonly string[]
  /** Rows that are there and should not be, at most three, as JSON. */
  readonly extra: readonly string[]
}

/** The tables whose rows differ, as multisets, in the columns that are compared. */
export function differences(expected: TableRows, actual: TableRows, masked: Masked): TableDifference[] {
  return [...expected].flatMap(([table, rows]) => {
    const left = comparable(table, rows, masked)
    const right = comparable(table, actual.get(table) ?? [], masked)
    const missing = without(left, right)
    const extra = without(right, left)
    if (missing.length === 0 && extra.length === 0) return []
    const counts = { expectedRows: left.length, actualRows: right.length }
    return [{ table, ...counts, missing: missing.slice(0, 3), extra: extra.slice(0, 3) }]
  })
}

/** In words, a sentence a table. */
export function wording({ table, expectedRows, actualRows, missing, extra }: TableDifference): string {
  const rows = (count: number): string => (count === 1 ? '1 row' : `${count} rows`)
  const counts = expectedRows === actualRows ? '' : `${rows(actualRows)} instead of ${rows(expectedRows)}; `
  const parts = [
    ...(missing.length > 0 ? [`missing ${missing.join(', ')}`] : []),
    ...(extra.length > 0 ? [`too many ${extra.join(', ')}`] : []),
  ]
  return `${table}: ${counts}${parts.join('; ')}`
}

/** How far sequences are moved between the two clean deliveries that are compared. */
export const sequenceShift = 1_000

export interface Volatile {
  /** Differ between two clean deliveries for a good reason: clocks, sequences and what quotes them. */
  readonly masked: Masked
  /** Differ, and nothing in the database says why. */
  readonly unexplained: readonly { readonly table: string; readonly column: string }[]
}

/** Compares two clean deliveries, the second with sequences `sequenceShift` further. */
export function volatileColumns(tables: readonly UserTable[], first: TableRows, second: TableRows): Volatile {
  const masked = new Set<string>()
  const unexplained: { table: string; column: string }[] = []
  for (const { name: table, columns } of tables) {
    for (const column of columns) {
      const one = (first.get(table) ?? []).map((row) => String(row[column.name]))
      const two = (second.get(table) ?? []).map((row) => String(row[column.name]))
      const gone = without(one, two)
      const came = without(two, one)
      const clock = /^(timestamp|date|time)/.test(column.type)
      if (gone.length === 0 && came.length === 0 && !clock && !column.serial) continue
      const explained = clock || column.serial || column.defaulted || shifted(gone, came)
      masked.add(`${table}.${column.name}`)
      if (!explained && one.length === two.length) unexplained.push({ table, column: column.name })
    }
  }
  return { masked, unexplained }
}

/** Whether each value of `came` is one of `gone`, drawn from a sequence that was moved. */
function shifted(gone: readonly string[], came: readonly string[]): boolean {
  if (gone.length !== came.length || ![...gone, ...came].every((value) => /^\d{1,15}$/.test(value))) return false
  const ascending = (values: readonly string[]): number[] => values.map(Number).sort((a, b) => a - b)
  const later = ascending(came)
  return ascending(gone).every((value, index) => later[index] === value + sequenceShift)
}

function comparable(table: string, rows: readonly RowText[], masked: Masked): string[] {
  return rows.map((row) =>
    JSON.stringify(Object.fromEntries(Object.entries(row).filter(([column]) => !masked.has(`${table}.${column}`)))),
  )
}

/** `values` without those of `others`, each of which takes one away. */
function without(values: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const other of others) counts.set(other, (counts.get(other) ?? 0) + 1)
  return values.filter((value) => {
    const left = counts.get(value) ?? 0
    counts.set(value, left - 1)
    return left <= 0
  })
}
