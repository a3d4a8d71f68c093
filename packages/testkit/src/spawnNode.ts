import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { startReaper } from './reaper.js'

export interface SpawnNodeOptions {
  /** The folder it runs in. Default: this process's. */
  readonly cwd?: string
  /** Added to this process's environment; undefined takes a variable away. Default: nothing is changed. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Options of node itself, before the script. Default: none. */
  readonly nodeOptions?: readonly string[]
}

/** How a process ended: by itself, with an exit code, or by a signal; the other one is null. */
export interface NodeProcessEnd {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
}

/** A Node program in a process of its own. It is killed when this process ends, however that ends. */
export interface NodeProcess extends AsyncDisposable {
  readonly pid: number
  /** Complete lines of standard output so far. */
  readonly lines: readonly string[]
  /** Standard error so far. */
  readonly stderr: string
  /** Resolves once the process has ended and its output was read. */
  readonly ended: Promise<NodeProcessEnd>
  /**
   * The first line, of those that came and those to come, that `predicate` accepts. Rejects when the process ends
   * without one, or after `deadlineMs` (default 30,000), with what the process has written.
   */
  waitForLine(predicate: (line: string) => boolean, options?: { deadlineMs?: number; what?: string }): Promise<string>
  /** Sends a signal (default SIGTERM) and resolves when the process has ended; one that has ended is fine. */
  kill(signal?: NodeJS.Signals): Promise<NodeProcessEnd>
  /** Sends a signal without waiting: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void
}

/** Starts `script` with this process's own Node. Standard input is empty. */
export function spawnNode(script: string, args: readonly string[] = [], options: SpawnNodeOptions = {}): NodeProcess {
  const child = spawn(process.execPath, [...(options.nodeOptions ?? []), script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  })
  const pid = child.pid
  if (pid === undefined) throw new Error(`no process could be started for ${script}`)
  const reaper = startReaper('KILL')
  reaper.watch(pid)

  const lines: string[] = []
  let stderr = ''
  let over: NodeProcessEnd | undefined
  const watchers = new Set<() => void>()
  const notify = (): void => {
    for (const watcher of [...watchers]) watcher()
  }
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    notify()
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const ended = new Promise<NodeProcessEnd>((resolve) => {
    child.once('close', (exitCode, signal) => {
      over = { exitCode, signal }
      reaper.dismiss()
      resolve(over)
      notify()
    })
  })

  function waitForLine(
    predicate: (line: string) => boolean,
    { deadlineMs = 30_000, what = 'a line' }: { deadlineMs?: number; what?: string } = {},
  ): Promise<string> {
    let looked = 0
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        settle()
        reject(
          new Error(`waited for ${what} of ${script}, but ${why}\nstdout:\n${lines.join('\n')}\nstderr:\n${stderr}`),
        )
      }
      const look = (): void => {
        for (; looked < lines.length; looked++) {
          const line = lines[looked] as string
          if (predicate(line)) {
            settle()
            resolve(line)
            return
          }
        }
        if (over !== undefined) fail(`it ended (${over.signal ?? over.exitCode})`)
      }
      const timer = setTimeout(() => fail(`it did not come in ${deadlineMs} ms`), deadlineMs)
      const settle = (): void => {
        clearTimeout(timer)
        watchers.delete(look)
      }
      watchers.add(look)
      look()
    })
  }

  async function kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<NodeProcessEnd> {
    if (over === undefined) child.kill(signal)
    return ended
  }

  return {
    pid,
    lines,
    get stderr() {
      return stderr
    },
    ended,
    waitForLine,
    kill,
    signal: (signal) => void child.kill(signal),
    [Symbol.asyncDispose]: async () => void (await kill('SIGKILL')),
  }
}
