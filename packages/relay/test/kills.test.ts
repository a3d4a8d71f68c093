import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RelayOptions } from '@oncebox/relay'
import { defaultRoles } from '@oncebox/schema'
import { type NodeProcess, spawnNode, until } from '@oncebox/testkit'
import { urlAs } from '@oncebox/testkit/harness'
import { describe, expect, test } from 'vitest'
import { type Bench, bench } from './relayBench.js'

interface Line {
  readonly key: string
  readonly value: string
  readonly partition: number
  readonly holder: string
}

interface Parts {
  readonly killAt?: string
  readonly killCall?: number
  readonly slowMs?: number
  readonly relay?: Omit<Partial<RelayOptions>, 'pool'>
}

const script = fileURLToPath(new URL('./processes/relayProcess.mjs', import.meta.url))

const relayRole = defaultRoles().relay

/** A database, and a file that relays in processes of their own publish to. */
async function killBench() {
  const at = await bench()
  const directory = await mkdtemp(join(tmpdir(), 'oncebox-relay-'))
  const file = join(directory, 'records')
  await writeFile(file, '')
  const children: NodeProcess[] = []
  return {
    at,
    start(holder: string, parts: Parts = {}): NodeProcess {
      const child = spawnNode(script, [
        JSON.stringify({ url: urlAs(at.database.url, relayRole), file, holder, ...parts }),
      ])
      children.push(child)
      return child
    },
    async records(): Promise<Line[]> {
      const text = await readFile(file, 'utf8')
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line))
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(children.map((child) => child.kill('SIGKILL')))
      await at[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** The first delivery of each value of each key, in order. */
function firstDeliveries(records: readonly Line[]): Record<string, string[]> {
  const byKey: Record<string, string[]> = {}
  for (const { key, value } of records) {
    byKey[key] ??= []
    if (!byKey[key].includes(value)) byKey[key].push(value)
  }
  return byKey
}

/** What `fill` wrote, by key. */
function filled(count: number): Record<string, string[]> {
  const byKey: Record<string, string[]> = {}
  for (let i = 1; i <= count; i++) {
    const key = `k${i % 10}`
    byKey[key] ??= []
    byKey[key].push(`${i}`)
  }
  return byKey
}

const distinct = (records: readonly Line[]) => new Set(records.map((record) => record.value)).size
const cursor = (at: Bench) =>
  at.query('select epoch::text, token, holder, last_snapshot::text from oncebox.relay_cursor')

describe('a relay that is killed', () => {
  // 1,000 messages in one transaction are one window of seven pages, each of four calls: the sixth call is in the middle of its second.
  const relay = { leaseMs: 1_000, batchMessages: 40 }
  const killCall = 6
  for (const killAt of ['before send', 'during send', 'after send, before ack', 'after ack, before the cursor']) {
    test(`G1 and G4: ${killAt}, between the pages of a window: the next one goes on, nothing is lost, first deliveries keep order`, async () => {
      await using run = await killBench()
      await run.at.fill('t', 1_000)
      const killed = run.start('killed', { killAt, killCall, relay })
      expect((await killed.ended).signal).toBe('SIGKILL')
      const before = (await run.records()).length
      expect(before).toBeLessThan(1_000)
      run.start('next', { relay })
      await until(async () => distinct(await run.records()) === 1_000, { what: 'all messages', deadlineMs: 20_000 })
      const records = await run.records()
      expect(firstDeliveries(records)).toEqual(filled(1_000))
      // Progress within the window was kept: the next one did not begin it anew, save for what was not yet written down.
      expect(records.length).toBeLessThanOrEqual(1_000 + before)
    })
  }
})

describe('a zombie', () => {
  test('G4: a stopped relay that resumes changes no cursor row, and its copies leave first deliveries in order', async () => {
    await using run = await killBench()
    const { at } = run
    const relay = { leaseMs: 1_000, batchMessages: 50 }
    await at.fill('t', 300)
    const zombie = run.start('zombie', { relay, slowMs: 5 })
    await until(async () => (await run.records()).length > 60, { what: 'the first relay to be in the middle' })
    zombie.signal('SIGSTOP')
    // It must not lose the lane to the one that resumes.
    const successor = run.start('successor', { relay: { ...relay, leaseMs: 10_000 } })
    await until(async () => distinct(await run.records()) === 300, { what: 'all messages', deadlineMs: 20_000 })
    await successor.waitForLine((line) => line.includes('published'))
    const held = await until(
      async () => {
        const [first] = await cursor(at)
        return first?.holder === 'successor' && first.last_snapshot !== '3:3:' && first
      },
      { what: 'the successor to write its progress' },
    )
    const copies = (await run.records()).filter(({ holder }) => holder === 'zombie').length
    zombie.signal('SIGCONT')
    await zombie.waitForLine((line) => line.includes('lease_lost'), { what: 'the zombie to notice' })
    await zombie.waitForLine((line) => line.includes('standby'), { what: 'the zombie to stand by' })
    // It finished the call that was in flight, and began no other.
    const records = await run.records()
    expect(records.filter(({ holder }) => holder === 'zombie').length - copies).toBeLessThanOrEqual(50)
    expect(await cursor(at)).toEqual([held])
    expect(firstDeliveries(records)).toEqual(filled(300))
  })
})

describe('two relays', () => {
  test('G1 and G4: the lease is stolen in the middle of a batch: the thief publishes it, the robbed one writes nothing', async () => {
    await using at = await bench()
    const inner = at.transport.publisher()
    let arrive: () => void = () => {}
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve
    })
    let letGo: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      letGo = resolve
    })
    let calls = 0
    const publisher = {
      name: 'gated',
      connect: () => inner.connect(),
      partitions: (topic: string) => inner.partitions(topic),
      createTopic: (topic: string, partitions: number) => inner.createTopic(topic, partitions),
      close: () => inner.close(),
      async publish(records: Parameters<typeof inner.publish>[0]) {
        calls++
        arrive()
        await gate
        return inner.publish(records)
      },
    }
    await at.fill('t', 20)
    const robbed = at.relay({ publisher, holder: 'robbed', leaseMs: 1_000 })
    await robbed.start()
    await arrived
    await at.query(`update oncebox.relay_cursor set expires_at = clock_timestamp() - interval '1 second'`)
    const thief = at.relay({ holder: 'thief', leaseMs: 600_000 })
    // The robbed relay may have renewed in between: it keeps asking until it is in.
    await thief.start()
    await until(
      async () => {
        if (thief.state === 'holder') return true
        await at.query(
          `update oncebox.relay_cursor set expires_at = clock_timestamp() - interval '1 second' where holder = 'robbed'`,
        )
        return false
      },
      { what: 'the thief to hold the lane' },
    )
    await thief.drain()
    expect(at.values('t')).toHaveLength(20)
    const held = await until(
      async () => {
        const [first] = await cursor(at)
        return first?.last_snapshot !== '3:3:' && first
      },
      { what: 'the thief to write its progress' },
    )
    letGo()
    await until(() => at.events.some(({ event }) => event === 'lease_lost'), { what: 'the robbed relay to notice' })
    await until(() => robbed.state === 'standby', { what: 'the robbed relay to stand by' })
    expect(calls).toBe(1)
    expect(await cursor(at)).toEqual([held])
    expect([...new Set(at.values('t'))]).toEqual(Array.from({ length: 20 }, (_, i) => `${i + 1}`))
  })

  test('an epoch is never handed out twice', async () => {
    await using at = await bench()
    for (let i = 0; i < 3; i++) await at.relay().drain()
    const epochs = at.events.flatMap((event) => (event.event === 'ready' ? [event.epoch] : []))
    expect(epochs).toEqual([1, 2, 3])
  })
})
