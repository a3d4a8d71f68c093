import { chmod, mkdir, stat } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The directory in which this user's downloads and copied binaries are kept between runs.
 * For root it lies in the system's temporary directory, because Postgres then runs as another user, which cannot see
 * below root's home. Rejects when somebody else owns or can write that directory: what is in it gets executed.
 */
export async function cacheDirectory(): Promise<string> {
  const uid = process.getuid?.()
  const directory = uid === 0 ? join(tmpdir(), 'oncebox-cache-0') : join(userCache(), 'oncebox')
  const made = await mkdir(directory, { recursive: true })
  if (made !== undefined) await chmod(directory, 0o755)
  const found = await stat(directory)
  if (uid !== undefined && (found.uid !== uid || (found.mode & 0o022) !== 0)) {
    throw new Error(`${directory} must belong to this user and be writable by nobody else; remove it and try again`)
  }
  return directory
}

function userCache(): string {
  if (process.env.XDG_CACHE_HOME) return process.env.XDG_CACHE_HOME
  return process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache')
}
