import { type BenchResults, figure } from '../results.js'
import { number } from './tables.js'

interface Bar {
  readonly label: string
  readonly perSecond: number
  readonly kind: 'ours' | 'limit' | 'other'
}

const candidates = [
  { suite: 'drain', arm: 'oncebox', label: 'oncebox', kind: 'ours' },
  { suite: 'drain', arm: 'onceboxKafkajs', label: 'oncebox over kafkajs', kind: 'ours' },
  { suite: 'peers', arm: 'debeziumTuned', label: 'Debezium, tuned', kind: 'other' },
  { suite: 'drain', arm: 'naiveRelay1000', label: 'naive relay, 1,000 a batch', kind: 'other' },
  { suite: 'drain', arm: 'naiveRelay', label: 'naive relay, 100 a batch', kind: 'other' },
  { suite: 'peers', arm: 'watermillTuned', label: 'Watermill, tuned', kind: 'other' },
  { suite: 'peers', arm: 'pgTransactionalOutboxTuned', label: 'pg-transactional-outbox, tuned', kind: 'other' },
  { suite: 'drain', arm: 'rawRead', label: 'limit: reading Postgres', kind: 'limit' },
  { suite: 'drain', arm: 'rawProduce', label: 'limit: writing Kafka', kind: 'limit' },
  { suite: 'drain', arm: 'kafkajsProduce', label: 'limit: kafkajs send', kind: 'limit' },
] as const

const colors = { ours: '#1f6feb', other: '#8b949e', limit: '#d0d7de' } as const
const barHeight = 22
const step = 32
const left = 260
const barWidth = 440

/** The rates of the drain as an SVG of bars, on a ground of its own, so that it reads in the dark too. Pure. */
export function picture({ suites }: BenchResults): string {
  const bars: Bar[] = candidates.flatMap(({ suite, arm, label, kind }) => {
    const found = figure(suites[suite], arm, 'perSecond')
    return found === undefined ? [] : [{ label, kind, perSecond: found.median }]
  })
  const height = 56 + bars.length * step
  const largest = Math.max(1, ...bars.map(({ perSecond }) => perSecond))
  const rows = bars.map(({ label, kind, perSecond }, at) => {
    const y = 44 + at * step
    const width = Math.max(2, Math.round((perSecond / largest) * barWidth))
    const middle = y + barHeight / 2 + 5
    return [
      `  <text x="${left - 10}" y="${middle}" text-anchor="end">${label}</text>`,
      `  <rect x="${left}" y="${y}" width="${width}" height="${barHeight}" rx="3" fill="${colors[kind]}"/>`,
      `  <text x="${left + width + 8}" y="${middle}">${number(perSecond)}</text>`,
    ].join('\n')
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + barWidth + 100} ${height}" font-family="sans-serif" font-size="14" fill="#1f2328">`,
    '  <title>Messages a second from a backlog in Postgres to Kafka</title>',
    `  <rect width="100%" height="100%" rx="6" fill="#ffffff"/>`,
    '  <text x="16" y="26" font-weight="bold">Messages a second from a backlog in Postgres to Kafka, medians</text>',
    ...rows,
    '</svg>',
    '',
  ].join('\n')
}
