import { fileURLToPath } from 'node:url'
import { type NodeProcess, spawnNode } from '@oncebox/testkit'
import type { GuestOptions } from '../faults/guestOptions.js'

const script = fileURLToPath(new URL('../faults/guest.js', import.meta.url))
const patienceMs = 60_000

/** Two relays and two consumers in processes of their own; one that ends is replaced. */
export interface CrewOfGuests extends AsyncDisposable {
  readonly members: readonly NodeProcess[]
  /** Kills one (SIGKILL), and has another begin in its place. */
  killOne(random: () => number): Promise<void>
  /** Stops one for so long (SIGSTOP), then lets it go on. */
  pauseOne(random: () => number, ms: number): Promise<void>
  /** What each says of itself, for a problem: its last lines, and how it ended if it did. */
  account(): Promise<string>
}

export async function startGuests(options: Omit<GuestOptions, 'role' | 'skewMs'>): Promise<CrewOfGuests> {
  const roles = ['relay', 'consumer', 'relay', 'consumer'] as const
  const hire = (role: GuestOptions['role']): NodeProcess =>
    spawnNode(script, [JSON.stringify({ ...options, role, skewMs: 0 } satisfies GuestOptions)])
  const members = roles.map(hire)
  await Promise.all(
    members.map((member) => member.waitForLine((line) => line === 'started', { deadlineMs: patienceMs })),
  )
  return {
    members,
    async killOne(random) {
      const index = Math.floor(random() * members.length)
      await members[index]?.kill('SIGKILL')
      members[index] = hire(roles[index] ?? 'relay')
    },
    async pauseOne(random, ms) {
      const member = members[Math.floor(random() * members.length)]
      member?.signal('SIGSTOP')
      await new Promise((resolve) => setTimeout(resolve, ms))
      member?.signal('SIGCONT')
    },
    async account() {
      const told = members.map(async (member, index) => {
        const end = await Promise.race([member.ended, new Promise<null>((resolve) => setImmediate(resolve, null))])
        const state = end === null ? 'runs' : `ended with ${end.signal ?? end.exitCode}: ${member.stderr}`
        const lines = member.lines.filter((line) => line !== 'working').slice(-12)
        return [`${roles[index]} ${index} ${state}`, ...lines].join('\n  ')
      })
      return (await Promise.all(told)).join('\n')
    },
    [Symbol.asyncDispose]: async () => void (await Promise.all(members.map((member) => member.kill('SIGKILL')))),
  }
}
