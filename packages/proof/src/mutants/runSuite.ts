import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Suite } from './mutant.js'
import type { WorkspaceCopy } from './workspaceCopy.js'

export interface SuiteResult {
  readonly passed: readonly string[]
  readonly failed: readonly string[]
  /** Why nothing can be said: the file did not load, or no test has such a name. */
  readonly broken: string | null
}

interface Report {
  readonly testResults: readonly {
    readonly message: string
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

/** A suite that takes so long hangs. */
const longestMs = 240_000

/** Runs a suite in the copy, with the servers that this process offers. Stops at the first test that fails. */
export async function runSuite(copy: WorkspaceCopy, { file, tests }: Suite): Promise<SuiteResult> {
  const report = join(copy.root, 'report.json')
  await rm(report, { force: true })
  const vitest = join(copy.root, 'node_modules/vitest/vitest.mjs')
  const filter = tests === undefined ? [] : ['-t', tests]
  const args = [vitest, 'run', file, ...filter, '--bail', '1', '--reporter', 'json', '--outputFile', report]
  await new Promise((resolve) => execFile(process.execPath, args, { cwd: copy.root, timeout: longestMs }, resolve))
  const { testResults } = await readFile(report, 'utf8').then(
    (text) => JSON.parse(text) as Report,
    (): Report => ({ testResults: [] }),
  )
  const results = testResults.flatMap(({ assertionResults }) => assertionResults)
  const named = (status: string): string[] =>
    results.filter((each) => each.status === status).map((each) => each.fullName)
  const passed = named('passed')
  const failed = named('failed')
  const broken = passed.length + failed.length > 0 ? null : (testResults[0]?.message ?? `${file} has no such test`)
  return { passed, failed, broken }
}
