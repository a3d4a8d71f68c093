import { spawnArm } from './runArm.js'

export interface RelayProcess {
  readonly pid: number
  /** SIGTERM, and the end of it. */
  stop(): Promise<void>
}

/** Starts the relay as a process of its own; resolves when it holds the lane. */
export async function startRelay(environment: Readonly<Record<string, string>>): Promise<RelayProcess> {
  const child = spawnArm('relayService', environment)
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const ready = new Promise<boolean>((resolve) => child.stdout?.once('data', () => resolve(true)))
  const isReady = await Promise.race([ready, ended.then(() => false)])
  if (!isReady || child.pid === undefined) throw new Error('the relay ended while it started')
  return {
    pid: child.pid,
    async stop() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
      await ended
      clearTimeout(timer)
    },
  }
}
