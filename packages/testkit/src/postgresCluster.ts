import { execFile, type SpawnOptions } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { SmallDisk } from './smallDisk.js'

const run = promisify(execFile)
// Postgres refuses to run as root; 65534 is nobody.
const nobody = 65_534

/** The user Postgres runs as, as options of `spawn`: ourselves, or nobody when we are root. */
export const serverUser: { uid?: number; gid?: number } = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {}

/** The environment of every Postgres program: nothing of the caller's locale or PG* variables. */
export const serverEnvironment: Record<string, string> = { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' }

/** Gives a file or directory to the server's user. */
export async function giveToServer(path: string): Promise<void> {
  if (serverUser.uid !== undefined) await chown(path, nobody, nobody)
}

/** Where a server keeps its files and its programs run: for everybody, or on a disk of its own. */
export interface ServerPlace {
  /** The data directory, as the server sees it and as this process does. */
  readonly inside: string
  readonly outside: string
  readonly disk?: SmallDisk | undefined
}

/** How one of a server's programs is run there, as the server's user. */
export function serverCommand({ disk }: ServerPlace, program: string, args: readonly string[]) {
  const [first = program, ...rest] = [...(disk?.enter(serverUser) ?? []), program, ...args]
  const options = { env: serverEnvironment, cwd: '/', ...(disk === undefined ? serverUser : {}) } satisfies SpawnOptions
  return { program: first, args: rest, options }
}

/** An empty directory (or the one that is there) that only the server's user may enter, as Postgres wants it. */
export async function prepareDataDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  await chmod(directory, 0o700)
  await giveToServer(directory)
}

/** Runs initdb, unless the directory holds a cluster. Every call makes a cluster with its own system identifier. */
export async function initializeCluster(binaries: string, place: ServerPlace): Promise<void> {
  if (existsSync(join(place.outside, 'PG_VERSION'))) return
  const choices = ['--auth=trust', '--username=postgres', '--encoding=UTF8', '--locale=C', '--no-sync']
  const { program, args, options } = serverCommand(place, join(binaries, 'initdb'), ['-D', place.inside, ...choices])
  await run(program, args, options)
  await appendFile(join(place.outside, 'postgresql.conf'), `\ninclude_if_exists '${settingsFile}'\n`)
}

const settingsFile = 'oncebox.conf'

/** Writes settings into a file that postgresql.conf includes; `ALTER SYSTEM` still goes over them. */
export async function writeSettings(dataDirectory: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
  const path = join(dataDirectory, settingsFile)
  await writeFile(path, lines.join(''))
  await giveToServer(path)
}
