import { fileURLToPath } from 'node:url'
import { type NodeProcess, spawnNode } from '@oncebox/testkit'
import type { ServiceReport, ServiceSetup } from './serviceSetup.js'

export type ServiceName = 'orderService' | 'relayService' | 'billingService'

/** A service in a process of its own, that can be killed and started again. */
export interface SupervisedService {
  readonly name: ServiceName
  readonly kills: number
  /** True once the running process has said that it is ready. */
  readonly ready: boolean
  /** The process said that its work is done. */
  readonly done: boolean
  /** Sums over all processes of this service so far. */
  readonly count: number
  readonly mishaps: number
  /** What the running process has counted. */
  readonly countOfThis: number
  start(): void
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGTERM, and SIGKILL after `deadlineMs`. Resolves when the process is gone. */
  stop(deadlineMs: number): Promise<void>
  /** What went wrong when the process ended by itself before it was done; undefined while all is well. */
  failure(): string | undefined
}

export function superviseService(name: ServiceName, setup: ServiceSetup): SupervisedService {
  const script = fileURLToPath(new URL(`services/${name}.js`, import.meta.url))
  let running: NodeProcess | undefined
  let incarnation = -1
  let kills = 0
  let before = { count: 0, mishaps: 0 }
  let ended: string | undefined

  const last = (): ServiceReport | undefined => {
    const line = running?.lines.at(-1)
    return line === undefined ? undefined : (JSON.parse(line) as ServiceReport)
  }
  const close = () => {
    const report = last()
    before = { count: before.count + (report?.count ?? 0), mishaps: before.mishaps + (report?.mishaps ?? 0) }
    running = undefined
  }

  return {
    name,
    get kills() {
      return kills
    },
    get ready() {
      return last() !== undefined
    },
    get done() {
      return last()?.event === 'done'
    },
    get count() {
      return before.count + (last()?.count ?? 0)
    },
    get mishaps() {
      return before.mishaps + (last()?.mishaps ?? 0)
    },
    get countOfThis() {
      return last()?.count ?? 0
    },
    start() {
      incarnation++
      const child = spawnNode(script, [JSON.stringify({ ...setup, incarnation })])
      running = child
      void child.ended.then(({ exitCode, signal }) => {
        if (running !== child || last()?.event === 'done') return
        ended = `${name} ended by itself (${signal ?? exitCode}): ${child.stderr.trim().slice(-2_000)}`
      })
    },
    async kill() {
      const victim = running
      if (victim === undefined) return
      close()
      kills++
      await victim.kill('SIGKILL')
    },
    async stop(deadlineMs) {
      const leaving = running
      if (leaving === undefined) return
      const timer = setTimeout(() => leaving.signal('SIGKILL'), deadlineMs)
      const wasReady = last()
      await leaving.kill(wasReady === undefined ? 'SIGKILL' : 'SIGTERM')
      clearTimeout(timer)
      close()
    },
    failure: () => ended,
  }
}
