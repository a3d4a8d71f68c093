import { type BenchResults, figure, pairedRatio, perRound, type SuiteResult } from '../results.js'
import type { Spread } from '../statistics.js'

/** Something that oncebox wants to reach. */
export interface Goal {
  readonly what: string
  readonly goal: string
  readonly meets: (median: number) => boolean
  readonly value: (results: BenchResults) => Spread | undefined
  readonly unit?: string
}

const atLeast = (least: number) => ({
  goal: `≥ ${least.toLocaleString('en')}`,
  meets: (median: number) => median >= least,
})
const atMost = (most: number) => ({ goal: `≤ ${most.toLocaleString('en')}`, meets: (median: number) => median <= most })

const ratio =
  (suite: string, arm: string, base: string, name = 'perSecond') =>
  ({ suites }: BenchResults) =>
    pairedRatio(suites[suite], arm, base, name)
const value =
  (suite: string, arm: string, name: string) =>
  ({ suites }: BenchResults) =>
    figure(suites[suite], arm, name)
const made =
  (suite: string, make: Parameters<typeof perRound>[1]) =>
  ({ suites }: BenchResults) =>
    perRound(suites[suite], make)

/** With the drain of the largest backlog that was run. */
function growth({ suites }: BenchResults): Spread | undefined {
  const huge = pairedRatio(suites.scale, 'waitingHuge', 'waitingFew', 'perSecond')
  return huge ?? pairedRatio(suites.scale, 'waitingMany', 'waitingFew', 'perSecond')
}

/** The goals, in the order of the table. */
export const goals: readonly Goal[] = [
  { what: 'drain to Kafka', unit: '/s', ...atLeast(200_000), value: value('drain', 'oncebox', 'perSecond') },
  { what: 'drain ÷ Debezium, tuned', ...atLeast(4), value: ratio('peers', 'oncebox', 'debeziumTuned') },
  { what: 'drain ÷ naive relay, 100 a batch', ...atLeast(12), value: ratio('drain', 'oncebox', 'naiveRelay') },
  { what: 'drain ÷ naive relay, 1,000 a batch', ...atLeast(6), value: ratio('drain', 'oncebox', 'naiveRelay1000') },
  {
    what: 'drain ÷ kafkajs `send` of ready records',
    ...atLeast(4),
    value: ratio('drain', 'oncebox', 'kafkajsProduce'),
  },
  { what: 'drain ÷ Watermill, tuned', ...atLeast(57), value: ratio('peers', 'oncebox', 'watermillTuned') },
  {
    what: 'drain ÷ pg-transactional-outbox, tuned',
    ...atLeast(250),
    value: ratio('peers', 'oncebox', 'pgTransactionalOutboxTuned'),
  },
  {
    what: 'drain ÷ the slower of its limits, raw read and raw produce',
    ...atLeast(0.6),
    value: made(
      'drain',
      (of) => of('oncebox', 'perSecond') / Math.min(of('rawRead', 'perSecond'), of('rawProduce', 'perSecond')),
    ),
  },
  { what: 'CPU of the relay a message', unit: ' µs', ...atMost(4), value: value('drain', 'oncebox', 'cpuUs') },
  {
    what: 'CPU of Postgres and the relay a message',
    unit: ' µs',
    ...atMost(7),
    value: made('drain', (of) => of('oncebox', 'cpuUs') + of('oncebox', 'postgresCpuUs')),
  },
  {
    what: 'memory of the relay while draining',
    unit: ' MB',
    ...atMost(200),
    value: value('drain', 'oncebox', 'rssMb'),
  },
  {
    what: 'drain with metrics and a tenth of the traces sampled ÷ without',
    ...atLeast(0.95),
    value: ratio('observed', 'metricsAndTracing', 'unobserved'),
  },
  { what: 'drain of the largest backlog ÷ of a small one', ...atLeast(0.9), value: growth },
  {
    what: 'drain while a write transaction stays open ÷ without',
    ...atLeast(0.95),
    value: ratio('scale', 'held', 'base'),
  },
  {
    what: 'drain of all others while a message is too large and a topic is missing ÷ without',
    ...atLeast(0.95),
    value: ratio('scale', 'trouble', 'base'),
  },
  {
    what: 'dead tuples in the outbox after it',
    ...atMost(0),
    value: value('scale', 'held', 'deadOutboxTuples'),
  },
  {
    what: 'transaction with a message ÷ without, written by pgbench: what it costs the server',
    ...atLeast(0.85),
    value: ratio('write', 'pgbenchOutbox', 'pgbenchBusiness'),
  },
  {
    what: 'the same, message sent together with COMMIT',
    ...atLeast(0.93),
    value: ratio('write', 'pgbenchOutboxPipelined', 'pgbenchBusiness'),
  },
  {
    what: 'the same, written by one Node.js process on the same cores: client and server',
    ...atLeast(0.85),
    value: ratio('write', 'outbox', 'businessOnly'),
  },
  {
    what: 'the same, statements prepared (`prepare` of `fromPg`), Node.js',
    ...atLeast(0.85),
    value: ratio('write', 'outboxPrepared', 'businessOnlyPrepared'),
  },
  {
    what: 'the same, message sent together with COMMIT, Node.js',
    ...atLeast(0.93),
    value: ratio('write', 'outboxPipelined', 'businessOnly'),
  },
  {
    what: 'WAL added by an event of 200 bytes',
    unit: ' B',
    ...atMost(400),
    value: made('write', (of) => of('outbox', 'walBytesPerTransaction') - of('businessOnly', 'walBytesPerTransaction')),
  },
  {
    what: 'commit → consumer at 1,000/s, p50',
    unit: ' ms',
    ...atMost(2.5),
    value: value('latency', 'outbox1000', 'p50Ms'),
  },
  {
    what: 'commit → consumer at 1,000/s, p99',
    unit: ' ms',
    ...atMost(10),
    value: value('latency', 'outbox1000', 'p99Ms'),
  },
  {
    what: 'commit → consumer at 10,000/s, p50',
    unit: ' ms',
    ...atMost(4),
    value: value('latency', 'outbox10000', 'p50Ms'),
  },
  {
    what: 'commit → consumer at 10,000/s, p99',
    unit: ' ms',
    ...atMost(15),
    value: value('latency', 'outbox10000', 'p99Ms'),
  },
  {
    what: 'statements of an idle relay',
    unit: '/s',
    ...atMost(25),
    value: value('latency', 'idle', 'statementsPerSecond'),
  },
  {
    what: 'CPU of an idle relay',
    unit: ' ms/s',
    ...atMost(10),
    value: value('latency', 'idle', 'relayCpuMsPerSecond'),
  },
  {
    what: 'inbox, batches of 1,000, a statement for each effect ÷ the same with no inbox',
    ...atLeast(0.6),
    value: ratio('inbox', 'inboxEach', 'noInboxEach'),
  },
  {
    what: 'the same, one statement for all effects of a batch',
    ...atLeast(0.6),
    value: ratio('inbox', 'inbox', 'noInbox'),
  },
  {
    what: 'inbox, batches of 1,000 ÷ one message a transaction',
    ...atLeast(15),
    value: ratio('inbox', 'inbox', 'onePerTransaction'),
  },
  {
    what: 'CPU a message of two relays on two lanes ÷ of one',
    ...atMost(1.1),
    value: ratio('scale', 'lanesTwo', 'lanesOne', 'cpuUs'),
  },
]

/** What a suite ran with, for its caption. Pure. */
export function settingsText({ settings }: SuiteResult): string {
  return Object.entries(settings)
    .map(([name, setting]) => `${name} ${typeof setting === 'number' ? setting.toLocaleString('en') : setting}`)
    .join(', ')
}
