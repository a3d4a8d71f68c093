import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'

const pauseMs = 50
const deadlineMs = 600_000

/**
 * Runs `work` while no other process holds the lock at `path`: a file that names its holder. One whose holder has died
 * is taken over. The same protocol as packages/testkit/src/fileLock.ts, which is not built yet when this runs.
 */
export async function withLock(path, say, work) {
  const mark = JSON.stringify({ pid: process.pid, host: hostname(), nonce: randomBytes(8).toString('hex') })
  const start = Date.now()
  let said = false
  while (!take(path, mark)) {
    breakAbandoned(path)
    const waitedMs = Date.now() - start
    if (waitedMs > deadlineMs) throw new Error(`${path} is held for too long; remove it if nobody works there`)
    if (!said && waitedMs > 1_000) {
      said = true
      say('waiting for another command that sets this clone up')
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
  try {
    return await work()
  } finally {
    rmSync(path, { force: true })
  }
}

/** A link appears with its content complete, so nobody ever reads a half-written lock. */
function take(path, mark) {
  const mine = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  writeFileSync(mine, mark)
  try {
    linkSync(mine, path)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(mine, { force: true })
  }
}

function breakAbandoned(path) {
  const seen = read(path)
  if (seen === undefined || isAlive(seen)) return
  // Two who saw the same dead holder must not both remove: the second would remove the first one's new lock.
  const breaking = `${path}.break`
  if (!take(breaking, '')) {
    if (ageMs(breaking) > 10_000) rmSync(breaking, { force: true })
    return
  }
  if (read(path) === seen) rmSync(path, { force: true })
  rmSync(breaking, { force: true })
}

function isAlive(mark) {
  const { pid, host } = JSON.parse(mark)
  // Another machine or container shares the directory: its processes cannot be asked.
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

function ageMs(path) {
  try {
    return Date.now() - statSync(path).mtimeMs
  } catch (error) {
    if (error.code === 'ENOENT') return 0
    throw error
  }
}
