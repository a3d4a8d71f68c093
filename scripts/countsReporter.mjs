/**
 * Ends the output of a vitest run with one line, `N passed, N failed` (and `, N skipped` when there are any).
 * What fails outside a test (a file that cannot be loaded, a hook, an unhandled rejection) counts as one failure.
 */
export default class CountsReporter {
  onTestRunEnd(testModules, unhandledErrors, reason) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const testModule of testModules) {
      counts.failed += testModule.errors().length
      for (const suite of testModule.children.allSuites()) counts.failed += suite.errors().length
      for (const test of testModule.children.allTests()) {
        const { state } = test.result()
        counts[state === 'pending' ? 'failed' : state] += 1
      }
    }
    // A run that found no test, or was interrupted, is not green either.
    if (reason !== 'passed' && counts.failed === 0) counts.failed = 1
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
    // At the very end: the summaries of other reporters and the global teardown print before it.
    process.once('exit', () => process.stdout.write(`${counts.passed} passed, ${counts.failed} failed${skipped}\n`))
  }
}
