import { chmod, mkdir, stat } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The directory in which this user's downloads are kept between runs: `oncebox` below the user's cache directory.
 * Rejects when somebody else owns or can write it: what is in it gets executed.
 */
export function cacheDirectory(): Promise<string> {
  return trustedDirectory(join(userCache(), 'oncebox'))
}

/**
 * A cache directory whose files other users may read. For root it lies in the system's temporary directory, because
 * Postgres then runs as another user, which cannot see below root's home. Rejects as `cacheDirectory` does.
 */
export function readableCacheDirectory(): Promise<string> {
  return process.getuid?.() === 0 ? trustedDirectory(join(tmpdir(), 'oncebox-cache-0')) : cacheDirectory()
}

async function trustedDirectory(directory: string): Promise<string> {
  const made = await mkdir(directory, { recursive: true })
  if (made !== undefined) await chmod(directory, 0o755)
  const found = await stat(directory)
  const uid = process.getuid?.()
  if (uid !== undefined && (found.uid !== uid || (found.mode & 0o022) !== 0)) {
    throw new Error(`${directory} must belong to this user and be writable by nobody else; remove it and try again`)
  }
  return directory
}

function userCache(): string {
  if (process.env.XDG_CACHE_HOME) return process.env.XDG_CACHE_HOME
  return process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache')
}
