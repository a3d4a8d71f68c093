import { printable } from './printable.js'

/** Columns of text under their headings, two spaces apart; columns named in `right` are aligned right. */
export function textTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[] = [],
): string {
  const shown = rows.map((row) => row.map(printable))
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...shown.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    headings
      .map((heading, column) => {
        const cell = cells[column] ?? ''
        const width = widths[column] ?? 0
        return right.includes(heading) ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [line(headings), ...shown.map(line)].join('\n')
}
