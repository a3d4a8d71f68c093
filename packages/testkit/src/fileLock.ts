import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { until } from './until.js'

/**
 * Runs `work` while no other process holds the lock at `path`. The lock is a file that names its holder; one whose
 * holder has died is taken over. Waits at most `deadlineMs` (default 10 minutes), then rejects.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>, deadlineMs = 600_000): Promise<T> {
  const mark = JSON.stringify({ pid: process.pid, host: hostname(), nonce: randomBytes(8).toString('hex') })
  await until(() => take(path, mark) || breakAbandoned(path), {
    deadlineMs,
    what: `the lock ${path} (remove the file if nobody works there)`,
  })
  try {
    return await work()
  } finally {
    rmSync(path, { force: true })
  }
}

/** A link appears with its content complete, so nobody ever reads a half-written lock. */
function take(path: string, mark: string): boolean {
  const mine = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  writeFileSync(mine, mark)
  try {
    linkSync(mine, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(mine, { force: true })
  }
}

/** Always false: the lock is then free for the next attempt, not ours. */
function breakAbandoned(path: string): false {
  const seen = read(path)
  if (seen === undefined || isAlive(seen)) return false
  // Two who saw the same dead holder must not both remove: the second would remove the first one's new lock.
  const breaking = `${path}.break`
  if (!take(breaking, '')) {
    if (ageMs(breaking) > 10_000) rmSync(breaking, { force: true })
    return false
  }
  if (read(path) === seen) rmSync(path, { force: true })
  rmSync(breaking, { force: true })
  return false
}

function isAlive(mark: string): boolean {
  const { pid, host } = JSON.parse(mark) as { pid: number; host: string }
  // Another machine or container shares the directory: its processes cannot be asked.
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function ageMs(path: string): number {
  try {
    return Date.now() - statSync(path).mtimeMs
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}
