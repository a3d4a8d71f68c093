import type { PartReport } from './partReport.js'

/** The report of a run, for people: a block a part, and a last line that says whether everything held. Pure. */
export function printReport(parts: readonly PartReport[]): string {
  const blocks = parts.map(({ part, figures, problems, seconds }) => {
    const lines = Object.entries(figures).map(([name, value]) => `  ${name.padEnd(28)} ${shown(value)}`)
    const found = problems.map((problem) => `  ✗ ${problem.replaceAll('\n', '\n    ')}`)
    return [`${problems.length === 0 ? '✓' : '✗'} ${part} (${Math.round(seconds)} s)`, ...lines, ...found].join('\n')
  })
  const problems = parts.reduce((sum, part) => sum + part.problems.length, 0)
  const last = problems === 0 ? 'Everything held.' : `${problems} ${problems === 1 ? 'problem' : 'problems'} found.`
  return [...blocks, last].join('\n\n')
}

function shown(value: number | string): string {
  return typeof value === 'number' ? value.toLocaleString('en-US') : value
}
