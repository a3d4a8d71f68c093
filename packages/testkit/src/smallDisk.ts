import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A file system of its own, small and in memory, for a server whose disk is to become full. It is mounted in a mount
 * namespace of its own, and goes with this process. Who is not root gets it in a user namespace, where these are allowed.
 */
export interface SmallDisk {
  /** Its directory, as a process sees it that runs inside. */
  readonly directory: string
  /** The same, as this process sees it. */
  readonly outside: string
  /** Comes before the command line of a program that is to run inside: as ourselves, or as another user when we are root. */
  enter(user?: { readonly uid?: number; readonly gid?: number }): readonly string[]
  /** What it holds, in bytes. */
  usedBytes(): Promise<number>
  /** Writes a file until not one byte more is taken. */
  fill(): Promise<void>
  /** Takes that file away. */
  free(): Promise<void>
  /** Ends it with everything on it. What runs inside has ended before. */
  remove(): Promise<void>
}

export interface SmallDiskOptions {
  /** Its size in bytes. */
  readonly bytes: number
}

const script = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && echo mounted && exec cat'

const isRoot = process.getuid?.() === 0

/** May mount there, and is the same user there: Postgres refuses to run as root, a mapped one too. */
const asOurselves = ['--user', '--map-current-user', '--keep-caps']

/** Mounts one. Rejects with the reason where this process may not. */
export async function openSmallDisk({ bytes }: SmallDiskOptions): Promise<SmallDisk> {
  const directory = await mkdtemp(join(tmpdir(), 'oncebox-disk-'))
  // Ends when this process does, and its standard input with it; and the namespaces with that.
  const keep = ['--mount', 'sh', '-c', script, 'sh', String(bytes), directory]
  const keeper = spawn('unshare', [...(isRoot ? [] : asOurselves), ...keep], { stdio: ['pipe', 'pipe', 'pipe'] })
  const remove = async (): Promise<void> => {
    keeper.stdin.end()
    if (keeper.exitCode === null && keeper.signalCode === null) await once(keeper, 'exit')
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await mounted(keeper)
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
  const outside = `/proc/${keeper.pid}/root${directory}`
  const ballast = join(outside, 'ballast')
  return {
    directory,
    outside,
    enter: (user = {}) => [
      ...['nsenter', '--mount', '--target', String(keeper.pid)],
      ...(isRoot ? [] : ['--user', '--preserve-credentials']),
      ...(user.uid === undefined ? [] : ['--setuid', String(user.uid), '--setgid', String(user.gid)]),
    ],
    async usedBytes() {
      const { blocks, bavail, bsize } = await statfs(outside)
      return (blocks - bavail) * bsize
    },
    fill: () => writeUntilFull(ballast),
    free: () => rm(ballast, { force: true }),
    remove,
  }
}

/** Resolves when the keeper has said so; rejects with what it said instead. */
function mounted(keeper: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = ''
    keeper.stderr?.on('data', (chunk: Buffer) => {
      said += chunk
    })
    keeper.stdout?.once('data', () => resolve())
    keeper.once('error', (error) => reject(new Error(`unshare does not run: ${error.message}`)))
    keeper.once('close', (code) => reject(new Error(`a file system may not be mounted (${code}): ${said.trim()}`)))
  })
}

/** Large pieces first, then single bytes. */
async function writeUntilFull(file: string): Promise<void> {
  const handle = await open(file, 'a')
  try {
    for (let size = 1 << 20; size >= 1; ) {
      const written = await handle.write(Buffer.alloc(size)).then(
        ({ bytesWritten }) => bytesWritten,
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOSPC') throw error
          return 0
        },
      )
      if (written < size) size = size === 1 ? 0 : Math.ceil(size / 16)
    }
  } finally {
    await handle.close()
  }
}
