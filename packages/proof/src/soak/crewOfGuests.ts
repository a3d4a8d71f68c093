import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type NodeProcess, spawnNode } from '@oncebox/testkit'
import type { GuestOptions } from '../faults/guestOptions.js'

const script = fileURLToPath(new URL('../faults/guest.js', import.meta.url))
const patienceMs = 60_000
const restartPauseMs = 500

/** Two relays and two consumers in processes of their own; one that ends is replaced. */
export interface CrewOfGuests extends AsyncDisposable {
  readonly members: readonly NodeProcess[]
  /** How many could not start (what they need was away) and ended; each was started again, as a supervisor does it. */
  readonly restarts: number
  /** Kills one (SIGKILL), and has another begin in its place. */
  killOne(random: () => number): Promise<void>
  /** Stops one for so long (SIGSTOP), then lets it go on. */
  pauseOne(random: () => number, ms: number): Promise<void>
  /** What ended by itself although it had started, which nothing may cause. */
  deserters(): readonly string[]
  /** What each says of itself, for a problem: its last lines, and how it ended if it did. */
  account(): Promise<string>
}

export async function startGuests(options: Omit<GuestOptions, 'role' | 'skewMs'>): Promise<CrewOfGuests> {
  const roles = ['relay', 'consumer', 'relay', 'consumer'] as const
  const members: NodeProcess[] = []
  const deserters: string[] = []
  let restarts = 0
  let over = false

  const hire = (index: number): NodeProcess => {
    const role = roles[index] ?? 'relay'
    const member = spawnNode(script, [JSON.stringify({ ...options, role, skewMs: 0 } satisfies GuestOptions)])
    members[index] = member
    void member.ended.then(async (end) => {
      if (over || members[index] !== member || end.signal === 'SIGKILL') return
      if (member.lines.includes('started')) deserters.push(accountOf(member, `${role} ${index}`, end))
      restarts++
      await sleep(restartPauseMs)
      if (!over && members[index] === member) hire(index)
    })
    return member
  }

  const started = roles.map((_, index) =>
    hire(index).waitForLine((line) => line === 'started', { deadlineMs: patienceMs }),
  )
  await Promise.all(started)
  return {
    members,
    get restarts() {
      return restarts
    },
    async killOne(random) {
      const index = Math.floor(random() * members.length)
      await members[index]?.kill('SIGKILL')
      hire(index)
    },
    async pauseOne(random, ms) {
      const member = members[Math.floor(random() * members.length)]
      member?.signal('SIGSTOP')
      await sleep(ms)
      member?.signal('SIGCONT')
    },
    deserters: () => deserters,
    async account() {
      const told = members.map(async (member, index) => {
        const end = await Promise.race([member.ended, new Promise<null>((resolve) => setImmediate(resolve, null))])
        return accountOf(member, `${roles[index]} ${index}`, end)
      })
      return (await Promise.all(told)).join('\n')
    },
    async [Symbol.asyncDispose]() {
      over = true
      await Promise.all(members.map((member) => member.kill('SIGKILL')))
    },
  }
}

function accountOf(member: NodeProcess, name: string, end: Awaited<NodeProcess['ended']> | null): string {
  const state = end === null ? 'runs' : `ended with ${end.signal ?? end.exitCode}: ${member.stderr}`
  const lines = member.lines.filter((line) => line !== 'working').slice(-40)
  return [`${name} ${state}`, ...lines].join('\n  ')
}
