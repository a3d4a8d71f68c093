import { constants } from 'node:os'

/** A listener for the signals that ask a process to end. */
export interface StopListener {
  /** Aborts at the first SIGTERM or SIGINT; its reason is the signal's name. */
  readonly signal: AbortSignal
  /** Gives the signals back to their default: the process ends at once. */
  dispose(): void
}

const stopSignals = ['SIGTERM', 'SIGINT'] as const

/** Listens from now on. The first signal aborts; the second ends the process at once with 128 + the signal's number. */
export function listenForStop(): StopListener {
  const controller = new AbortController()
  const listener = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(128 + constants.signals[name])
    controller.abort(name)
  }
  for (const name of stopSignals) process.on(name, listener)
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of stopSignals) process.off(name, listener)
    },
  }
}

/** Resolves when `signal` aborts, at once when it has. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Resolves after `ms`, or when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([elapsed, aborted(signal)])
  clearTimeout(timer)
}

/** What `work` resolves to, or undefined as soon as `signal` aborts; `work` then goes on without anybody waiting. */
export function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  return Promise.race([work, aborted(signal).then(() => undefined)])
}
