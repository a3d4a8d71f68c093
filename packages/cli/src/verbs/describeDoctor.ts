import type { CheckReport, Finding } from '@oncebox/ops'
import { printable } from '../command/printable.js'

export interface Examination {
  readonly database: string
  readonly checks: readonly CheckReport[]
}

const marks = { fine: 'fine   ', advice: 'advice ', problem: 'PROBLEM', skipped: 'skipped' } as const

/** A line a check, then what was found, the problems first. */
export function describeExaminations(examinations: readonly Examination[]): string {
  return examinations.map(describe).join('\n\n')
}

function describe({ database, checks }: Examination): string {
  const lines = checks.map(({ check, state, reason }) => {
    return `  ${marks[state]}  ${check}${reason === null ? '' : ` (not checked: ${reason})`}`
  })
  const findings = checks.flatMap((check) => check.findings)
  const sorted = [...findings.filter(isProblem), ...findings.filter((finding) => !isProblem(finding))]
  const verdict = sorted.length === 0 ? 'Nothing is wrong.' : sorted.map(describeFinding).join('\n\n')
  return [`${printable(database)}\n${lines.join('\n')}`, verdict].join('\n\n')
}

function isProblem({ severity }: Finding): boolean {
  return severity === 'problem'
}

function describeFinding({ code, severity, what, why, next }: Finding): string {
  const name = severity === 'problem' ? code : `${code} (advice)`
  return `${name}: ${printable(what)}\n  why   ${printable(why)}\n  next  ${printable(next)}`
}
