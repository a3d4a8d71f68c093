import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { page, root, tableRows } from './pages.js'

const units: Record<string, number> = {
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  kB: 1_000,
  MB: 1_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
}

/** The first number of a table's cell in its smallest unit: `10 s` is 10,000. null where there is none. */
function amountOf(cell: string): number | null {
  const match = /^([\d,.]+)(?: (\w+))?/.exec(cell)
  if (match === null) return null
  return Number(match[1]?.replaceAll(',', '')) * (units[match[2] ?? ''] ?? 1)
}

/** The value of an expression of numbers in the code: `4 << 20`, `3 * dayMs`, `60_000`. */
function numberOf(expression: string): number {
  const numbers = expression.replaceAll('_', '').replaceAll('dayMs', '86400000').replaceAll('hourMs', '3600000')
  if (!/^[\d\s*+.<-]+$/.test(numbers)) throw new Error(`${expression} is not a number`)
  return Number(new Function(`return ${numbers}`)())
}

const rows = tableRows(page('docs/defaults.md'))
  .filter(([, value]) => value !== '')
  .map(([what = '', value = '', code = '', file = '']) => ({
    what,
    value,
    code: code.replaceAll('`', '').replaceAll('\\|', '|'),
    file: /\]\(\.\.\/([^)]+)\)/.exec(file)?.[1] ?? '',
  }))

test('the table is read', () => expect(rows.length).toBeGreaterThan(20))

test.each(rows)('$what: $value', ({ value, code, file }) => {
  const source = readFileSync(root + file, 'utf8')
  expect(source, `${file} no longer says ${code}`).toContain(code)
  const expression = /(?:\?\?|=|:|>|,|\() *([\d_][\d_ *<.]*(?:dayMs|hourMs)?)\W*$/.exec(code)?.[1]
  const amount = amountOf(value)
  if (expression !== undefined && amount !== null) expect(numberOf(expression)).toBe(amount)
  else expect(amount, `${code} holds no number to compare with`).toBeNull()
})
