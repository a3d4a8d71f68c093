import pg from 'pg'
import { type ArmResult, sampleOf } from './armResult.js'
import { type Arm, interleave } from './interleave.js'
import type { Sample, SuiteResult } from './results.js'
import { runArm, spawnArm } from './runArm.js'
import { type Backlog, type BacklogShape, makeBacklog } from './scaleFixtures.js'
import { type BenchServers, createTopics, withServers } from './servers.js'
import { partitions, rewind, topicName } from './workload.js'

export interface ScaleOptions {
  /** Messages that wait where nothing else is said. */
  readonly messages: number
  /** The larger backlog, and how many rows are retained. */
  readonly large: number
  /** A still larger backlog; left out at 0. */
  readonly huge: number
  readonly rounds: number
  readonly progress: (line: string) => void
}

const manyTopics = 500

/** The shapes of a backlog, each beside the one it is compared with. Pure. */
export function scaleShapes({ messages, large, huge }: Pick<ScaleOptions, 'messages' | 'large' | 'huge'>) {
  const small = Math.max(1, Math.round(messages / 20))
  // As many bytes, within reason, whatever a message weighs.
  const weighing = (payloadBytes: number) => Math.max(10, Math.round((messages * 200) / payloadBytes))
  const shapes: Record<string, BacklogShape> = {
    waitingFew: { waiting: small },
    waitingMany: { waiting: large },
    ...(huge === 0 ? {} : { waitingHuge: { waiting: huge } }),
    retainedMany: { waiting: messages, retained: large * 2 },
    base: { waiting: messages },
    keys1: { waiting: messages, keys: 1 },
    keys100000: { waiting: messages, keys: 100_000 },
    payload2k: { waiting: weighing(2_000) * 2, payloadBytes: 2_000 },
    payload20k: { waiting: weighing(20_000) * 5, payloadBytes: 20_000 },
    payload200k: { waiting: weighing(200_000) * 5, payloadBytes: 200_000 },
    topics500: { waiting: messages, topics: manyTopics },
    // As many for each relay as `lanesOne` has for its one: what a process costs once would count twice.
    lanesTwo: { waiting: messages * 2, lanes: 2 },
    troubleFew: { waiting: small, trouble: true },
    trouble: { waiting: messages, trouble: true },
  }
  return shapes
}

/** How the drain's rate and cost move as the work grows, all warm, each as a ratio to its neighbour in the same round. */
export function scale(options: ScaleOptions): Promise<SuiteResult> {
  const { rounds, progress, messages, large, huge } = options
  return withServers({ progress }, async (servers) => {
    const backlogs = new Map<string, Backlog>()
    try {
      progress('creating topics')
      await createTopics(servers.admin, [topicName(0)], partitions)
      const others = Array.from({ length: manyTopics - 1 }, (_, number) => topicName(number + 1))
      await createTopics(servers.admin, others, 1)
      for (const [name, shape] of Object.entries(scaleShapes(options))) {
        progress(`filling ${name}: ${(shape.waiting + (shape.retained ?? 0)).toLocaleString('en')} messages`)
        backlogs.set(name, await makeBacklog(servers, name, shape))
      }
      await servers.pool.query('CHECKPOINT')
      const measured = [...backlogs].filter(([name]) => name !== 'troubleFew')
      const arms = measured.map(([name, backlog]): Arm => {
        // Warm for what it is to do: code that has never met trouble is compiled anew when it does.
        const warm = backlogs.get(name.startsWith('trouble') ? 'troubleFew' : 'waitingFew') as Backlog
        if (name === 'lanesTwo') return { name, run: () => twoLanes(servers, backlog, warm) }
        // A small backlog is drained often enough for a second's worth of messages.
        const repeat = Math.max(1, Math.round(messages / backlog.waiting))
        return { name, run: () => drainAgain(servers, backlog, warm, name === 'waitingFew' ? repeat : 1) }
      })
      const base = backlogs.get('base') as Backlog
      const warm = backlogs.get('waitingFew') as Backlog
      const lanesOne = () => drainAgain(servers, base, warm, 1, { WARM_TIMES: '0' })
      arms.push({ name: 'lanesOne', run: lanesOne })
      arms.push({ name: 'lanesOneBusy', run: () => besideBusyCore(lanesOne) })
      arms.push({ name: 'held', run: () => whileHeld(base, () => drainAgain(servers, base, warm, 1)) })
      return await interleave(arms, { suite: 'scale', rounds, progress, settings: { messages, large, huge } })
    } finally {
      await Promise.all([...backlogs.values()].map(({ pool }) => pool.end()))
    }
  })
}

async function drainAgain(
  servers: BenchServers,
  backlog: Backlog,
  warm: Backlog,
  repeat: number,
  more: Readonly<Record<string, string>> = {},
): Promise<Sample> {
  const result = await runArm('drainAgain', environmentOf(servers, backlog, warm, { REPEAT: `${repeat}`, ...more }))
  expectAll(result.messages + (result.more?.parked ?? 0), backlog.waiting * repeat)
  return sampleOf(result)
}

/** Two relays at the same time, each on its lane, as cold as `lanesOne`: rates add up, and so does what they cost. */
async function twoLanes(servers: BenchServers, backlog: Backlog, warm: Backlog): Promise<Sample> {
  await rewind(backlog.pool, 'oncebox', backlog.snapshot)
  const results = await Promise.all(
    [0, 1].map((lane) =>
      runArm('drainAgain', environmentOf(servers, backlog, warm, { LANE: `${lane}`, LANES: '2', WARM_TIMES: '0' })),
    ),
  )
  const total = (value: (result: ArmResult) => number) => results.reduce((sum, each) => sum + value(each), 0)
  const messages = total((each) => each.messages)
  expectAll(messages, backlog.waiting)
  return {
    perSecond: messages / Math.max(...results.map(({ seconds }) => seconds)),
    cpuUs: total((each) => each.cpuUsPerMessage * each.messages) / messages,
    rssMb: Math.max(...results.map(({ rssMb }) => rssMb)),
  }
}

/** With one core taken by somebody else: what a second relay costs the first by being there, whatever it does. */
async function besideBusyCore(work: () => Promise<Sample>): Promise<Sample> {
  const neighbour = spawnArm('busy', {})
  try {
    return await work()
  } finally {
    neighbour.kill('SIGKILL')
  }
}

/** While somebody's transaction that has written stays open. */
async function whileHeld({ url, pool }: Backlog, work: () => Promise<Sample>): Promise<Sample> {
  const holder = new pg.Client({ connectionString: url })
  holder.on('error', () => undefined)
  await holder.connect()
  try {
    // It writes elsewhere: a row of its own in the outbox would be a dead one after the rollback.
    await holder.query('CREATE TABLE IF NOT EXISTS held (number integer)')
    await holder.query('BEGIN')
    await holder.query('INSERT INTO held VALUES (1)')
    const sample = await work()
    const { rows } = await pool.query<{ dead: number }>(
      `SELECT coalesce(sum(n_dead_tup), 0)::int AS dead FROM pg_stat_user_tables WHERE relname LIKE 'outbox%'`,
    )
    return { ...sample, deadOutboxTuples: rows[0]?.dead ?? Number.NaN }
  } finally {
    await holder.query('ROLLBACK').catch(() => undefined)
    await holder.end()
  }
}

function environmentOf(
  { environment }: BenchServers,
  { url, snapshot }: Backlog,
  warm: Backlog,
  more: Readonly<Record<string, string>>,
): Record<string, string> {
  return { ...environment, DATABASE_URL: url, WARM_URL: warm.url, SNAPSHOT: snapshot, ...more }
}

function expectAll(moved: number, expected: number): void {
  if (moved !== expected) throw new Error(`moved ${moved} messages, not ${expected}`)
}
