import type { ChaosFinding } from './findings.js'

const widest = 160

/** What `chaos` found. */
export interface ChaosReport {
  /** True when every run came to what one clean delivery comes to. */
  readonly idempotent: boolean
  readonly type: string
  /** How many schedules ran. */
  readonly runs: number
  /** The statements of one clean delivery, the inbox's around the handler's; `own` marks the handler's. */
  readonly statements: readonly { readonly text: string; readonly own: boolean }[]
  /** Each with the first schedule that shows it. */
  readonly findings: readonly ChaosFinding[]
  /** `table.column` of columns that differ between clean deliveries too, and were not compared. */
  readonly notCompared: readonly string[]
  /** All of it, for people. */
  readonly text: string
}

/** The report in words. */
export function reportText(report: Omit<ChaosReport, 'text'>): string {
  const { type, runs, statements, findings, notCompared, idempotent } = report
  const own = statements.filter((statement) => statement.own).length
  const head = idempotent
    ? `${type}: your handler is idempotent (${runs} schedules around ${statements.length} statements, ${own} of them the handler's)`
    : `${type}: your handler is not idempotent (${findings.length} of its ways to fail, in ${runs} schedules)`
  const skipped =
    notCompared.length === 0 ? [] : [`not compared, since two clean deliveries differ there: ${notCompared.join(', ')}`]
  return [head, ...findings.flatMap((finding, index) => findingText(finding, index + 1)), ...skipped].join('\n')
}

function findingText(finding: ChaosFinding, number: number): string[] {
  const { statement, story, advice } = finding
  const at =
    statement === null ? 'no statement of its own' : `statement ${statement.index + 1}: ${short(statement.text)}`
  return [
    `${number}. ${at}`,
    `   when ${story}`,
    ...finding.differences.map((line) => `   then ${short(line)}`),
    `   mend: ${advice}`,
  ]
}

function short(text: string): string {
  return text.length <= widest ? text : `${text.slice(0, widest - 1)}…`
}
