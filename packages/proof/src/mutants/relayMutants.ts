// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the code that is spoilt has templates
import type { Mutant } from './mutant.js'

const dist = (name: string): string => `packages/relay/dist/${name}.js`
const test = (name: string): string => `packages/relay/test/${name}.test.ts`

/** Defects of the relay. */
export const relayMutants: readonly Mutant[] = [
  {
    name: 'the cursor moves before the ack',
    breaks: 'G1',
    file: dist('publishLoop'),
    edits: [
      {
        find: 'const outcomes = await deliver(call, this.#parts);',
        replace: `for (const entry of call) this.#parts.ledger.settle(entry);
        this.#parts.onSettled();
        await new Promise((resolve) => setTimeout(resolve, 200));
        const outcomes = await deliver(call, this.#parts);`,
      },
    ],
    suite: { file: test('kills'), tests: 'before send' },
  },
  {
    name: 'a window is what lies behind the last position: id > last',
    breaks: 'G1',
    file: dist('windowQuery'),
    edits: [
      {
        find: `arm('xid >= pg_snapshot_xmax($1::pg_snapshot)')`,
        replace: `arm(\`position > (SELECT coalesce(max(position), 0) FROM \${tables.outbox} WHERE pg_visible_in_snapshot(xid, $1::pg_snapshot))\`)`,
      },
      { find: `arm('xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot)))')`, replace: `arm('false')` },
    ],
    suite: { file: test('windows'), tests: 'running transaction whose xid' },
  },
  {
    name: 'a window leaves out the transactions that were running: xip is ignored',
    breaks: 'G1',
    file: dist('windowQuery'),
    edits: [{ find: `arm('xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot)))')`, replace: `arm('false')` }],
    suite: { file: test('windows'), tests: 'meet on a row lock' },
  },
  {
    name: 'a window is ordered by xid',
    breaks: 'G4',
    file: dist('windowQuery'),
    edits: [
      {
        find: 'SELECT ${entryColumns} FROM (${fresh(tables, share, entryColumns)}) AS fresh LIMIT',
        replace: "SELECT ${entryColumns}, xid FROM (${fresh(tables, share, entryColumns + ', xid')}) AS fresh LIMIT",
      },
      { find: 'AS window_rows ORDER BY position', replace: 'AS window_rows ORDER BY xid' },
    ],
    suite: { file: test('windows'), tests: 'the same in one window' },
  },
  {
    name: 'a window may be asked for in a transaction that has an xid',
    breaks: 'G1',
    file: dist('windowQuery'),
    edits: [{ find: 'if (xid !== null)', replace: 'if (false)' }],
    suite: { file: test('windows'), tests: 'has an xid is refused' },
  },
  {
    name: 'windows may be asked for on a standby',
    breaks: 'G1',
    file: dist('windowQuery'),
    edits: [{ find: 'if (recovery)', replace: 'if (false)' }],
    suite: { file: test('failover'), tests: 'a standby is refused' },
  },
  {
    name: 'the last snapshot is kept in memory over a reconnect',
    breaks: 'G1',
    file: dist('tenure'),
    edits: [
      {
        find: 'const { lease, progress, lanes } = parts.acquired;',
        replace: `const { lease, lanes } = parts.acquired;
        const progress = parts.pool.keptLedger?.progress ?? parts.acquired.progress;`,
      },
      {
        find: 'this.#ledger = new Ledger(progress);',
        replace: 'this.#ledger = parts.pool.keptLedger = new Ledger(progress);',
      },
    ],
    suite: { file: test('failover'), tests: 'xids are handed out again' },
  },
  {
    name: 'a restored dump goes on from the cursor that came with it',
    breaks: 'G1',
    file: dist('identity'),
    edits: [{ find: `if (state[1] === 't')`, replace: 'if (true)' }],
    suite: { file: test('failover'), tests: 'a dump restored' },
  },
  {
    name: 'the cursor is written without looking at epoch and token',
    breaks: 'G1',
    file: dist('cursor'),
    edits: [
      {
        find: `make_interval(secs => $7::float8 / 1000)
    WHERE lane = $1::smallint AND epoch = $2::bigint AND token = $3::uuid`,
        replace: `make_interval(secs => $7::float8 / 1000)
    WHERE lane = $1::smallint AND $2::bigint IS NOT NULL AND $3::uuid IS NOT NULL`,
      },
    ],
    suite: { file: test('cursor'), tests: 'under an epoch that is over' },
  },
  {
    name: 'the lane is taken although somebody holds it',
    breaks: 'G4',
    file: dist('cursor'),
    edits: [
      {
        find: 'AND (token IS NULL OR expires_at IS NULL OR expires_at < clock_timestamp() OR token = $5::uuid)',
        replace: 'AND ($5::uuid IS NULL OR true)',
      },
    ],
    suite: { file: test('relay'), tests: 'a standby takes over' },
  },
  {
    name: 'the local clock does not end a lease',
    breaks: 'G4',
    file: dist('lease'),
    edits: [{ find: 'return this.#monotonicMs() - this.#signOfLife < this.#leaseMs;', replace: 'return true;' }],
    suite: { file: test('pure'), tests: 'a lease ends by the local clock' },
  },
  {
    name: 'a leaf is looked at before its lock is had',
    breaks: 'G1',
    file: dist('reclaim'),
    edits: [
      { find: 'await rows(`LOCK TABLE ONLY ${table} IN ACCESS EXCLUSIVE MODE`);', replace: '' },
      {
        find: 'await rows(`TRUNCATE ONLY ${table}`);',
        replace:
          'await rows(`LOCK TABLE ONLY ${table} IN ACCESS EXCLUSIVE MODE`); await rows(`TRUNCATE ONLY ${table}`);',
      },
    ],
    suite: { file: test('reclaim'), tests: 'a late writer' },
  },
  {
    name: 'a leaf is emptied by xmin alone',
    breaks: 'G1',
    file: dist('reclaim'),
    edits: [
      {
        find: 'SELECT NOT (${unpublished(tables, table)})',
        replace: 'SELECT NOT EXISTS (SELECT FROM ${table} WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()))',
      },
    ],
    suite: { file: test('reclaim'), tests: 'left as it is|keeps its leaf' },
  },
  {
    name: 'the active leaf may be emptied',
    breaks: 'G1',
    file: dist('reclaimDecision'),
    edits: [{ find: 'leaf.slot !== ring.activeSlot && !leaf.unpublished', replace: '!leaf.unpublished' }],
    suite: { file: test('pure'), tests: 'only leaves that are not active' },
  },
  {
    name: 'later messages of a key do not wait for one that failed',
    breaks: 'G4',
    file: dist('backlog'),
    edits: [{ find: 'waitsIn(entry) {', replace: 'waitsIn(entry) { return undefined;' }],
    suite: { file: test('sideTrack'), tests: 'later messages of a key wait' },
  },
  {
    name: 'later messages of a key do not join those moved aside',
    breaks: 'G4',
    file: dist('plan'),
    edits: [{ find: 'if (state.isParked(entry))', replace: 'if (false)' }],
    suite: { file: test('sideTrack'), tests: 'an oversize message' },
  },
  {
    name: 'what was moved to another lane is taken for sent',
    breaks: 'G4',
    file: dist('sideTrack'),
    edits: [
      {
        find: `if (!(await table.held()))
            throw leaseLost(lease);
        this.groups.remove(scope);`,
        replace: 'this.groups.remove(scope);',
      },
    ],
    suite: { file: test('lanes'), tests: 'a relay whose lane is no more' },
  },
  {
    name: 'a standby may wait for an answer as long as for a window',
    breaks: 'G1',
    file: dist('session'),
    edits: [{ find: 'query_timeout = this.#timeoutMs', replace: 'query_timeout = this.#wireTimeoutMs' }],
    suite: { file: test('session'), tests: 'only windows' },
  },
  {
    name: 'the lease is not renewed while what waits aside is read',
    breaks: 'G1',
    file: dist('tenure'),
    edits: [
      {
        find: 'const loops = [this.#keeper.run(signal),',
        replace: 'const loops = [loaded.then(() => this.#keeper.run(signal)),',
      },
    ],
    suite: { file: test('loading'), tests: 'keeps its lane meanwhile' },
  },
  {
    name: 'lanes lock what is due in no order',
    breaks: 'G1',
    file: dist('scheduled'),
    edits: [{ find: 'number = ANY (ARRAY(', replace: 'number IN ((' }],
    suite: { file: test('scheduled'), tests: 'never crosswise' },
  },
  {
    name: 'keys move when a topic grows',
    breaks: 'G4',
    file: dist('partitions'),
    edits: [{ find: 'return pinned;', replace: 'return seen;' }],
    suite: { file: test('sideTrack'), tests: 'partitions stay pinned' },
  },
  {
    name: 'a relay goes on with the number of partitions that it knew',
    breaks: 'G4',
    file: 'migrations/0014_topic_partitions.sql',
    edits: [
      {
        find: 'UPDATE relay_cursor SET epoch = epoch + 1, token = NULL, holder = NULL, expires_at = NULL;',
        replace: '',
      },
    ],
    suite: { file: test('repin'), tests: 'has not looked at the pause yet' },
  },
  {
    name: 'what failed before its topic was paused keeps it from going on',
    breaks: 'G1',
    file: dist('publishLoop'),
    edits: [{ find: 'if (paused.length > 0 && this.#backlog.size === 0)', replace: 'if (false)' }],
    suite: { file: test('pauses'), tests: 'goes on by itself' },
  },
  {
    name: 'windows end at the oldest transaction that runs',
    breaks: 'G5',
    file: dist('windowQuery'),
    edits: [
      {
        find: 'WHERE ${condition}${laneCondition(share)} OFFSET 0',
        replace: 'WHERE ${condition} AND xid < pg_snapshot_xmin(pg_current_snapshot())${laneCondition(share)} OFFSET 0',
      },
    ],
    suite: { file: test('quiet'), tests: 'transactions held open' },
  },
  {
    name: 'the cursor is written whether there is anything to write or not',
    breaks: 'G6',
    file: dist('cursorKeeper'),
    edits: [{ find: 'await this.#wakeup.wait(settings.leaseMs / 3);', replace: 'await this.#wakeup.wait(1);' }],
    suite: { file: test('quiet'), tests: 'never writes its cursor' },
  },
]
