import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { spawnNode, startProxy, type TcpProxy, until } from '@oncebox/testkit'
import pg from 'pg'
import type { GuestOptions } from './guestOptions.js'
import { type Stage, throughProxy } from './stage.js'

/** Something that goes wrong under load, and is over when the promise resolves. */
export interface Fault {
  readonly name: string
  inflict(stage: Stage): Promise<void>
}

/** Until the server has said so and some time after; it may have ended then. */
async function whileFull(
  { disks, rig, random }: Stage,
  which: 'ofPostgres' | 'ofBroker',
  server: { readonly pid: number | undefined; log(): Promise<string> },
): Promise<void> {
  if (disks instanceof Error) throw new NotReachable(`a small disk cannot be had: ${disks.message}`)
  const disk = disks[which]
  const before = (await server.log()).length
  await disk.fill()
  const noticed = async (): Promise<boolean> => {
    // Pages that are begun still take something.
    await rig.place(30, random).catch(() => undefined)
    return server.pid === undefined || /No space left on device/.test((await server.log()).slice(before))
  }
  await until(noticed, { what: 'a server to notice that its disk is full', deadlineMs: patienceMs })
  await sleep(tooLongMs)
  await disk.free()
}

const guest = fileURLToPath(new URL('./guest.js', import.meta.url))
const patienceMs = 60_000
/** Past a session (2 s) and a lease (1 s). */
const tooLongMs = 3_500

/** The fault cannot be made here, for this reason: nothing was proved about it. */
export class NotReachable extends Error {
  override readonly name = 'NotReachable'
}

const onWire = (wire: string, proxyOf: (stage: Stage) => TcpProxy): Fault[] => [
  { name: `${wire}: connections cut`, inflict: async (stage) => proxyOf(stage).cut() },
  {
    name: `${wire}: cut in the middle of what was being sent`,
    async inflict(stage) {
      for (let cuts = 0; cuts < 5; cuts++) {
        proxyOf(stage).cutAfter(Math.floor(stage.random() * 60))
        await sleep(30)
      }
    },
  },
  {
    name: `${wire}: slow`,
    async inflict(stage) {
      proxyOf(stage).delayMs = 40
      await sleep(2_000)
      proxyOf(stage).delayMs = 0
    },
  },
  {
    name: `${wire}: half-open`,
    async inflict(stage) {
      proxyOf(stage).pause()
      await sleep(tooLongMs)
      proxyOf(stage).cut()
      proxyOf(stage).resume()
    },
  },
  {
    name: `${wire}: stalled, then going on`,
    async inflict(stage) {
      proxyOf(stage).pause()
      await sleep(tooLongMs)
      proxyOf(stage).resume()
    },
  },
  {
    name: `${wire}: refusing connections`,
    async inflict(stage) {
      proxyOf(stage).refuse(true)
      proxyOf(stage).cut()
      await sleep(1_500)
      proxyOf(stage).refuse(false)
    },
  },
]

/** A second relay or consumer, in a process of its own. `own`: what it is told otherwise than the others. */
function invite(
  { rig }: Stage,
  role: GuestOptions['role'],
  own: Partial<Pick<GuestOptions, 'skewMs' | 'url'>> = {},
  nodeOptions: string[] = [],
) {
  const options: GuestOptions = { ...rig.coordinates, role, skewMs: 0, ...own }
  return spawnNode(guest, [JSON.stringify(options)], { nodeOptions })
}

/** The guest holds what there is to hold; it is stopped past its lease or session while others go on, and comes back. */
const pausedTooLong = (role: 'relay' | 'consumer'): Fault => ({
  name: `${role}: paused past its ${role === 'relay' ? 'lease' : 'session'}, and back`,
  async inflict(stage) {
    const { rig } = stage
    await (role === 'relay' ? rig.stopRelay() : rig.stopBilling())
    await using other = invite(stage, role)
    await other.waitForLine((line) => line === 'working', { deadlineMs: patienceMs })
    other.signal('SIGSTOP')
    await (role === 'relay' ? rig.startRelay() : rig.startBilling())
    await sleep(tooLongMs)
    other.signal('SIGCONT')
    await sleep(500)
    await other.kill('SIGTERM')
  },
})

/**
 * The guest holds what there is to hold; what it sent last stays on its way, it is killed, and another one takes over. Then
 * its last statements arrive (a COMMIT, a cursor under an epoch that is over), and the last records of a relay.
 */
const lastWordsLate = (role: 'relay' | 'consumer'): Fault => ({
  name: `${role}: killed, and what it sent last arrives after another took over`,
  async inflict(stage) {
    const { rig, brokerProxy, postgres } = stage
    const ownWire = await startProxy({ target: { host: '127.0.0.1', port: postgres.port } })
    await (role === 'relay' ? rig.stopRelay() : rig.stopBilling())
    await using first = invite(stage, role, { url: throughProxy(rig.url, ownWire) })
    await first.waitForLine((line) => line === 'working', { deadlineMs: patienceMs })
    const wires = role === 'relay' ? [ownWire, brokerProxy] : [ownWire]
    for (const wire of wires) wire.holdBack()
    await until(() => ownWire.heldBack > 0, { what: `the ${role} to send something`, deadlineMs: patienceMs })
    // Time for more of what it has in hand.
    await sleep(stage.random() * 200)
    await first.kill('SIGKILL')
    await using second = invite(stage, role)
    await second.waitForLine((line) => line === 'working', { deadlineMs: patienceMs })
    for (const wire of wires) wire.deliverLate()
    await sleep(500)
    await second.kill('SIGTERM')
    await ownWire.close()
    await (role === 'relay' ? rig.startRelay() : rig.startBilling())
  },
})

const skewed = (role: 'relay' | 'consumer', skewMs: number): Fault => ({
  name: `${role}: a clock that is ${skewMs / 60_000} minutes off`,
  async inflict(stage) {
    const { rig } = stage
    await (role === 'relay' ? rig.stopRelay() : rig.stopBilling())
    await using other = invite(stage, role, { skewMs })
    await other.waitForLine((line) => line === 'working', { deadlineMs: patienceMs })
    await sleep(500)
    await other.kill('SIGTERM')
    await (role === 'relay' ? rig.startRelay() : rig.startBilling())
  },
})

const inLittleMemory = (role: 'relay' | 'consumer'): Fault => ({
  name: `${role}: with 48 MB of heap`,
  async inflict(stage) {
    const { rig } = stage
    await (role === 'relay' ? rig.stopRelay() : rig.stopBilling())
    await rig.place(300, stage.random)
    await using other = invite(stage, role, {}, ['--max-old-space-size=48'])
    await other.waitForLine((line) => line === 'working', { deadlineMs: patienceMs })
    await sleep(500)
    const end = await other.kill('SIGTERM')
    if (end.exitCode !== 0) throw new Error(`the ${role} ended with ${end.signal ?? end.exitCode}: ${other.stderr}`)
    await (role === 'relay' ? rig.startRelay() : rig.startBilling())
  },
})

export const faults: readonly Fault[] = [
  ...onWire('wire to Postgres', ({ postgresProxy }) => postgresProxy),
  ...onWire('wire to Kafka', ({ brokerProxy }) => brokerProxy),
  {
    name: 'Postgres: immediate shutdown and restart',
    async inflict({ postgres }) {
      await postgres.crash()
      await postgres.start()
    },
  },
  {
    name: 'Postgres: every session terminated',
    async inflict({ rig }) {
      const others =
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()'
      await rig.pool.query(others).catch(() => undefined)
    },
  },
  {
    name: 'Postgres: a transaction held open',
    async inflict({ rig, random }) {
      const client = new pg.Client({ connectionString: rig.url })
      client.on('error', () => undefined)
      await client.connect()
      await client.query(`begin; select pg_current_xact_id(); select * from oncebox.outbox limit 1`)
      await rig.place(30, random)
      await client.end()
    },
  },
  {
    name: 'Postgres: disk full to the last byte under load, then freed',
    async inflict(stage) {
      const { postgres } = stage
      await whileFull(stage, 'ofPostgres', postgres)
      // It ends when it cannot write its log, and cannot start over on a full disk either.
      await postgres.crash()
      await postgres.start()
    },
  },
  {
    name: 'broker: killed and started again',
    async inflict({ broker }) {
      await broker.kill()
      await broker.start()
    },
  },
  {
    name: 'broker: paused past the sessions of its clients',
    async inflict({ broker }) {
      await broker.pause()
      await sleep(tooLongMs)
      broker.resume()
    },
  },
  {
    name: 'broker: disk full to the last byte under load, then freed',
    async inflict(stage) {
      const { broker } = stage
      await whileFull(stage, 'ofBroker', broker)
      // It ends by itself when it cannot write its log; one that does not has given its directory up all the same.
      await broker.kill()
      await broker.start()
    },
  },
  {
    name: 'consumer: a second one comes and goes',
    async inflict(stage) {
      await using other = invite(stage, 'consumer')
      await other.waitForLine((line) => line === 'started', { deadlineMs: patienceMs })
      await sleep(500)
      await other.kill('SIGTERM')
    },
  },
  pausedTooLong('relay'),
  pausedTooLong('consumer'),
  lastWordsLate('relay'),
  lastWordsLate('consumer'),
  skewed('relay', 5 * 60_000),
  skewed('relay', -5 * 60_000),
  skewed('consumer', 5 * 60_000),
  skewed('consumer', -5 * 60_000),
  inLittleMemory('relay'),
  inLittleMemory('consumer'),
]

/** Writes on until the answer is called, whatever becomes of single transactions. It resolves to how many were tried. */
export function keepWriting({ rig, random }: Stage, pauseMs: number): () => Promise<number> {
  let over = false
  let tried = 0
  const writing = (async () => {
    while (!over) {
      // A transaction whose connection was lost committed or did not: the business tables know.
      await rig.place(3, random).catch(() => undefined)
      tried += 3
      await sleep(pauseMs)
    }
  })()
  return async () => {
    over = true
    await writing
    return tried
  }
}

/** Waits until a message written now, and all before it, came through: everything works again. Resolves to how long that took. */
export async function recovered({ rig, random }: Stage): Promise<number> {
  const start = performance.now()
  await until(() => rig.place(1, random).then(() => true), {
    what: 'Postgres to take a transaction',
    deadlineMs: patienceMs,
  })
  await rig.bookedByNow()
  return performance.now() - start
}
