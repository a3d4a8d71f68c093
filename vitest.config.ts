import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'examples/*/test/**/*.test.ts', 'test/*.test.ts'],
    globalSetup: ['./packages/testkit/dist/globalSetup.js'],
    // The machines this runs on have two cores, and a Postgres and a Kafka want some of them.
    maxWorkers: 2,
    // Ends what hangs; what takes too long is told by the deadline of what waits for it.
    testTimeout: 60_000,
    hookTimeout: 180_000,
    reporters: ['default', './scripts/countsReporter.mjs'],
  },
})
