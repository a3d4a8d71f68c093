import type { Mutant } from './mutant.js'

const dist = (name: string): string => `packages/inbox/dist/${name}.js`
const test = (name: string): string => `packages/inbox/test/${name}.test.ts`

/** Defects of the inbox. */
export const inboxMutants: readonly Mutant[] = [
  {
    name: 'ids are not looked at',
    breaks: 'G3',
    file: dist('batchTransaction'),
    edits: [{ find: `id.kind === 'none' || fresh.has(id.identity)`, replace: 'true' }],
    suite: { file: test('once'), tests: 'duplicates inside a batch' },
  },
  {
    name: 'ids are committed before the effects',
    breaks: 'G1',
    file: dist('batchTransaction'),
    edits: [
      {
        find: 'const gate = await readGate(',
        replace: `await tx.query('COMMIT');
    await tx.query('BEGIN');
    const gate = await readGate(`,
      },
    ],
    suite: { file: test('once'), tests: 'commit or roll back together' },
  },
  {
    name: 'the floor is read before the ids are inserted',
    breaks: 'G3',
    file: dist('batchTransaction'),
    edits: [
      { find: 'const gate = await readGate(tx, tables, group, work.partition);', replace: '' },
      {
        find: 'const fresh = await insertIds(',
        replace: `const gate = await readGate(tx, tables, group, work.partition);
    const fresh = await insertIds(`,
      },
    ],
    suite: { file: test('reclaim'), tests: 'whose insert waited while the floor rose' },
  },
  {
    name: 'the floor is ignored',
    breaks: 'G3',
    file: dist('floor'),
    edits: [{ find: 'if (id.timeMs < gate.floorMs)', replace: 'if (false)' }],
    suite: { file: test('reclaim'), tests: 'what comes late is refused|sees the new floor' },
  },
  {
    name: 'a message past the horizon runs',
    breaks: 'G3',
    file: dist('floor'),
    edits: [{ find: 'if (id.timeMs < gate.nowMs - limits.horizonMs)', replace: 'if (false)' }],
    suite: { file: test('once'), tests: 'past the horizon' },
  },
  {
    name: 'leaves are emptied without raising the floor',
    breaks: 'G3',
    file: dist('reclaim'),
    edits: [{ find: 'String(plan.floorMs)', replace: `rows[0]?.floor ?? '0'` }],
    suite: { file: test('reclaim'), tests: 'the floor is raised before' },
  },
  {
    name: 'a leaf is given back that ids of the near future belong to',
    breaks: 'G3',
    file: dist('reclaimPlan'),
    edits: [
      {
        find: 'const lastDay = Math.floor((nowMs + futureMs) / widthMs);',
        replace: 'const lastDay = Math.floor(nowMs / widthMs);',
      },
    ],
    suite: { file: test('reclaim'), tests: 'no leaf is given back' },
  },
  {
    name: 'ids are inserted in the order in which they came',
    breaks: 'G3',
    file: dist('dedupe'),
    edits: [{ find: 'ORDER BY id::uuid', replace: '' }],
    suite: { file: test('once'), tests: 'overlapping unsorted batches' },
  },
  {
    name: 'the transport is told that a batch is done before it is',
    breaks: 'G1',
    file: dist('partitionHandler'),
    edits: [
      {
        find: 'const progress = await processBatch(',
        replace: `const progress = { done: batch.records.length };
            void processBatch(`,
      },
    ],
    suite: { file: test('failures'), tests: 'swallows an SQL error' },
  },
  {
    name: 'a handler may end the transaction unnoticed',
    breaks: 'G3',
    file: dist('offsets'),
    edits: [{ find: 'if (rows[0]?.same !== true)', replace: 'if (false)' }],
    suite: { file: test('failures'), tests: 'rolls the transaction back itself' },
  },
  {
    name: 'effects may be acked before they are durable',
    breaks: 'G1',
    file: dist('offsets'),
    edits: [{ find: `set_config('synchronous_commit', 'on', true)`, replace: `current_setting('synchronous_commit')` }],
    suite: { file: test('failures'), tests: 'durable before it is acked' },
  },
  {
    name: 'a late owner takes the next offset back',
    breaks: 'G3',
    file: dist('offsets'),
    edits: [
      { find: 'WHERE stored.next_offset < excluded.next_offset OR $7::boolean', replace: 'WHERE true OR $7::boolean' },
    ],
    suite: { file: test('stop'), tests: 'never goes back' },
  },
  {
    name: 'later messages of a key run while an earlier one waits',
    breaks: 'G4',
    file: dist('sortOut'),
    edits: [{ find: 'closed.has(place)', replace: 'false' }],
    suite: { file: test('sortOut'), tests: 'no later one of the key runs' },
  },
  {
    name: 'past the horizon a message without attempts left counts as failed, and a retry runs it again',
    breaks: 'G3',
    file: dist('sortOut'),
    edits: [{ find: `verdict.kind === 'dead' && verdict.reason === 'CONSUMER_DIED'`, replace: 'false' }],
    suite: { file: test('sortOut'), tests: 'also when its attempts are used up' },
  },
  {
    name: 'after a second death those that it had in hand go together again',
    breaks: 'G3',
    file: dist('processBatch'),
    edits: [{ find: 'if (care?.accused.has(id.identity))', replace: 'if (false)' }],
    suite: { file: test('careful'), tests: 'those that a second one had in hand go alone' },
  },
  {
    name: 'what a second death had in hand begins uncounted',
    breaks: 'G1',
    file: dist('processBatch'),
    edits: [{ find: 'identities.some((identity) => care.accused.has(identity))', replace: 'false' }],
    suite: { file: test('kafka'), tests: 'ends the process .process.exit' },
  },
  {
    name: 'nobody notices that the database lost commits',
    breaks: 'G1',
    file: dist('batchTransaction'),
    edits: [{ find: 'work.reached?.check(work.partition, gate.nextOffset);', replace: ';' }],
    suite: { file: test('failover'), tests: 'a consumer that runs on goes back' },
  },
]
