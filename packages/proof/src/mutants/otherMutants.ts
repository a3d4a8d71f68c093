import type { Mutant } from './mutant.js'

/** Defects of the writer, the transports, the guards and the tables. */
export const otherMutants: readonly Mutant[] = [
  {
    name: 'emit leaves synchronous_commit off',
    breaks: 'G2',
    file: 'packages/outbox/dist/statements.js',
    edits: [
      {
        find: `set_config('synchronous_commit', 'on', true) END"`,
        replace: `current_setting('synchronous_commit') END"`,
      },
    ],
    suite: { file: 'packages/outbox/test/guarantees.test.ts', tests: 'synchronous_commit' },
  },
  {
    name: 'emit in SQL leaves synchronous_commit off',
    breaks: 'G2',
    file: 'migrations/0013_empty_content_type.sql',
    edits: [{ find: "IF current_setting('synchronous_commit') = 'off' THEN", replace: 'IF false THEN' }],
    suite: { file: 'packages/outbox/test/guarantees.test.ts', tests: 'synchronous_commit' },
  },
  {
    name: 'a sequence number is used again after a failure',
    breaks: 'G1',
    // The tests of this package's inside run its sources.
    file: 'packages/kafka/src/sequences.ts',
    edits: [
      {
        find: 'this.#partitions.set(partition, { epoch: epoch + 1, next: 0 })',
        replace: 'this.#partitions.set(partition, { epoch, next: this.#state(partition).next })',
      },
    ],
    suite: { file: 'packages/kafka/test/sequences.test.ts', tests: 'gives up an epoch' },
  },
  {
    name: 'a COMMIT that was answered with ROLLBACK counts as one',
    breaks: 'G1',
    file: 'packages/core/dist/adapters/pg.js',
    edits: [{ find: `if (command === 'ROLLBACK')`, replace: 'if (false)' }],
    suite: { file: 'packages/core/test/database.test.ts' },
  },
  {
    name: 'a connection that does not come is waited for without end',
    breaks: 'G1',
    file: 'packages/core/dist/takeClient.js',
    edits: [{ find: '}, timeoutMs);', replace: '}, 2 ** 31 - 1);' }],
    suite: { file: 'packages/core/test/takeClient.test.ts' },
  },
  {
    name: 'two with one business key do not wait for each other',
    breaks: 'G3',
    file: 'packages/guards/dist/businessKey.js',
    edits: [
      {
        find: 'THEN pg_advisory_xact_lock(hashtextextended($1::text COLLATE "C", 0))::text END',
        replace: `THEN $1::text || '' END`,
      },
    ],
    suite: { file: 'packages/guards/test/businessKey.test.ts', tests: 'two workers racing' },
  },
  {
    name: 'an order that came first is not the first one of its turn: the checker overlooks order',
    breaks: 'proof',
    file: 'packages/testkit/dist/history/order.js',
    edits: [{ find: 'before.turn <= emit.turn', replace: 'true' }],
    suite: { file: 'packages/testkit/test/history/judgeHistory.test.ts', tests: 'outOfOrder' },
  },
]
