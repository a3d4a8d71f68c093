import { fileURLToPath } from 'node:url'
import { pgDatabase } from '@oncebox/core/pg'
import { reclaimInbox } from '@oncebox/inbox'
import { migrate } from '@oncebox/schema'
import { type NodeProcess, spawnNode, until } from '@oncebox/testkit'
import pg from 'pg'
import type { CrashPoint, Role } from './crashPoints.js'
import type { Rig } from './rig.js'
import type { VictimOptions } from './victimOptions.js'

const script = fileURLToPath(new URL('./victim.js', import.meta.url))
const patienceMs = 60_000

/** Kills one process at `point` in the middle of the rig's work. Resolves when the rig works again; false: it was not hit. */
export async function crash(rig: Rig, point: CrashPoint, random: () => number): Promise<boolean> {
  await rig.startRelay()
  await rig.startBilling()
  return scenes[point.role](rig, point, random)
}

type Scene = (rig: Rig, point: CrashPoint, random: () => number) => Promise<boolean>

const transactions = 40

const scenes: Readonly<Record<Role, Scene>> = {
  async producer(rig, point, random) {
    const [hit] = await Promise.all([died(rig, begin(rig, point, random), point), rig.place(transactions, random)])
    return hit
  },

  async relay(rig, point, random) {
    await rig.stopRelay()
    await rig.place(transactions, random)
    await using victim = begin(rig, point, random)
    if ('step' in point.at && point.at.step === 'leaseLost') {
      await victim.waitForLine((line) => line === 'works', { deadlineMs: patienceMs })
      await rob(rig)
    }
    const hit = await died(rig, victim, point)
    await rig.startRelay()
    return hit
  },

  async reclaimer(rig, point, random) {
    await rig.place(transactions / 2, random)
    await rig.stopRelay()
    await using victim = begin(rig, point, random)
    const writing = rig.place(transactions / 2, random)
    const hit = await died(rig, victim, point)
    await writing
    await rig.startRelay()
    return hit
  },

  async consumer(rig, point, random) {
    await rig.stopBilling()
    await using victim = begin(rig, point, random)
    await rig.place(transactions, random)
    if ('step' in point.at && point.at.step === 'revoked') {
      await victim.waitForLine((line) => line === 'received', { deadlineMs: patienceMs })
      victim.signal('SIGTERM')
    }
    const hit = await died(rig, victim, point)
    await rig.startBilling()
    return hit
  },

  async inboxReclaimer(rig, point, random) {
    // A consumer reclaims when it starts, and would be there before the victim.
    await rig.stopBilling()
    const old = await rig.bookLongAgo()
    await using victim = begin(rig, point, random)
    const writing = rig.place(transactions / 2, random)
    const hit = await died(rig, victim, point)
    // The session of the victim may live on for a moment, with the lock that keeps reclaimers apart.
    await until(
      async () => {
        await reclaimInbox({ db: pgDatabase(rig.pool) })
        return rig.hasForgotten(old)
      },
      { what: 'the old id to be forgotten', deadlineMs: patienceMs },
    )
    await rig.startBilling()
    // The message comes once more, now that its id is forgotten.
    await rig.emitAgain(old)
    await writing
    return hit
  },

  async migrator(rig, point, random) {
    await using database = await rig.otherDatabase()
    await using victim = begin({ ...rig.coordinates, url: database.url }, point, random)
    const hit = await died(rig, victim, point)
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    try {
      const { databaseVersion, codeVersion } = await migrate({
        query: (text, values) => client.query(text, values as unknown[]),
      })
      if (databaseVersion !== codeVersion) throw new Error(`the schema stayed at version ${databaseVersion}`)
      await client.query(`select oncebox.emit('t', 'k', 'x', '{}'::jsonb)`)
    } finally {
      await client.end()
    }
    return hit
  },
}

function begin(
  rig: Omit<VictimOptions, 'point' | 'time' | 'seed'>,
  point: CrashPoint,
  random: () => number,
): NodeProcess {
  const { url, brokers, topic, group, deliveryLog } = rig
  const time = 1 + Math.floor(random() * (point.mostTimes ?? 1))
  const seed = Math.floor(random() * 2 ** 32)
  const options: VictimOptions = { point: point.name, time, seed, url, brokers, topic, group, deliveryLog }
  return spawnNode(script, [JSON.stringify(options)])
}

/** Whether the process reached its point and died there. One that did not in time is ended, and one that failed throws. */
async function died(rig: Rig, victim: NodeProcess, point: CrashPoint): Promise<boolean> {
  const hit = await victim
    .waitForLine((line) => line === `hit ${point.name}`, { deadlineMs: patienceMs })
    .then(() => true)
    .catch(() => false)
  const { signal } = await (hit ? victim.ended : victim.kill('SIGKILL'))
  rig.noteRollbacks(victim.lines)
  if (signal !== 'SIGKILL') throw new Error(`the victim of "${point.name}" ended by itself: ${victim.stderr}`)
  return hit
}

/** Takes the lane from whoever holds it, as if its lease had run out. */
async function rob(rig: Rig): Promise<void> {
  const starting = rig.startRelay()
  await until(
    async () => {
      if (rig.relayHolds) return true
      await rig.pool.query(
        `update oncebox.relay_cursor set expires_at = clock_timestamp() - interval '1 second' where holder like $1`,
        ['% %'],
      )
      return false
    },
    { what: 'the lane to change hands', deadlineMs: patienceMs },
  )
  await starting
}
