import { type NodeProcess, type SpawnNodeOptions, spawnNode } from './spawnNode.js'

export interface CrewOptions {
  /** The program's file. */
  readonly script: string
  /** Its arguments. Default: none. */
  readonly args?: readonly string[]
  /** How many processes there are at any time. */
  readonly size: number
  /** The line with which a process says that it works. */
  readonly ready: string
  /** As `spawnNode` takes them. Default: none. */
  readonly spawn?: SpawnNodeOptions
  /** A number from 0 up to 1: who is killed next. Default `Math.random`. */
  readonly random?: () => number
}

/** Several processes of one program, any of which may be killed: another one takes its place. */
export interface Crew extends AsyncDisposable {
  /** Processes killed so far. */
  readonly kills: number
  readonly members: readonly NodeProcess[]
  /**
   * Kills one that works (SIGKILL), resolves when it is gone, and has started another in its place by then. Rejects
   * when one of the processes has ended by itself.
   */
  killOne(): Promise<void>
  /**
   * SIGTERM to the one that works for the longest, and once it has ended another in its place; resolves when that works.
   * Rejects with its standard error when it does not end with exit code 0.
   */
  relieveOne(): Promise<void>
  /** SIGTERM to all, once they work; rejects with its standard error when one does not end with exit code 0. */
  stop(): Promise<void>
}

/** Starts the processes; resolves when all of them work. They end with this process, however that ends. */
export async function startCrew({
  script,
  args,
  size,
  ready,
  spawn,
  random = Math.random,
}: CrewOptions): Promise<Crew> {
  const members: NodeProcess[] = []
  let kills = 0
  const hire = (): NodeProcess => {
    const member = spawnNode(script, args, spawn)
    members.push(member)
    return member
  }
  const part = async (member: NodeProcess | undefined): Promise<void> => {
    const end = await member?.kill('SIGTERM')
    if (end?.exitCode !== 0) throw new Error(`${script} ended with ${end?.signal ?? end?.exitCode}: ${member?.stderr}`)
  }
  const works = (member: NodeProcess): Promise<string> =>
    member.waitForLine((line) => line === ready, { deadlineMs: 60_000, what: `"${ready}"` })
  const dismiss = async (): Promise<void> => void (await Promise.all(members.map((member) => member.kill('SIGKILL'))))

  while (members.length < size) hire()
  await Promise.all(members.map(works)).catch(async (error: unknown) => {
    await dismiss()
    throw error
  })

  return {
    members,
    get kills() {
      return kills
    },
    async killOne() {
      await Promise.all(members.map(works))
      const [victim] = members.splice(Math.floor(random() * members.length), 1)
      const end = await victim?.kill('SIGKILL')
      if (end?.signal !== 'SIGKILL') throw new Error(`${script} had ended before it was killed: ${victim?.stderr}`)
      kills++
      hire()
    },
    async relieveOne() {
      await Promise.all(members.map(works))
      await part(members.shift())
      await works(hire())
    },
    async stop() {
      await Promise.all(members.map(works))
      for (const member of members.splice(0)) await part(member)
    },
    [Symbol.asyncDispose]: dismiss,
  }
}
