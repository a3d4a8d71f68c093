import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Unavailable } from './interleave.js'

/** Where Debian's packages put the programs of each version. */
const debianDirectory = '/usr/lib/postgresql'

export interface PgbenchRun {
  readonly url: string
  /** The text of a script file: one transaction, with `:name` where a variable of `variables` goes. */
  readonly script: string
  readonly variables: Readonly<Record<string, string>>
  readonly clients: number
  /** Whole seconds: pgbench takes no others. */
  readonly seconds: number
}

export interface PgbenchResult {
  readonly transactions: number
  /** Without the time in which the connections were made. */
  readonly perSecond: number
}

/**
 * Runs a script in pgbench's prepared protocol: statements are parsed and planned once a connection, so that what is
 * measured is what executing them costs.
 *
 * @throws Unavailable where there is no pgbench.
 */
export async function runPgbench({ url, script, variables, clients, seconds }: PgbenchRun): Promise<PgbenchResult> {
  const program = findPgbench(process.env.PATH)
  if (program === null) throw new Unavailable('there is no pgbench: it comes with the package postgresql of Debian')
  const directory = await mkdtemp(join(tmpdir(), 'oncebox-pgbench-'))
  try {
    const file = join(directory, 'transaction.sql')
    await writeFile(file, script)
    const given = Object.entries(variables).flatMap(([name, value]) => ['-D', `${name}=${value}`])
    const amounts = ['-c', `${clients}`, '-j', '1', '-T', `${seconds}`]
    return parsePgbench(await execute(program, ['-n', '-M', 'prepared', '-f', file, ...amounts, ...given, url]))
  } finally {
    await rm(directory, { recursive: true })
  }
}

function execute(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, (error, stdout, stderr) => {
      process.off('exit', end)
      // pgbench says on standard error which statement failed, and ends with 2 when clients gave up.
      if (error === null) resolve(stdout)
      else reject(new Error(`pgbench ended with ${error.code ?? error.signal}: ${stderr.trim().slice(-300)}`))
    })
    const end = () => child.kill('SIGKILL')
    process.once('exit', end)
  })
}

/** The first on the path, else the newest of Debian's; null where there is none. */
export function findPgbench(path = '', debian = debianDirectory): string | null {
  const onPath = path.split(delimiter).filter(Boolean)
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const directories = [...onPath, ...versions.map((version) => join(debian, version, 'bin'))]
  return directories.map((directory) => join(directory, 'pgbench')).find((file) => existsSync(file)) ?? null
}

/** What pgbench printed. Pure. */
export function parsePgbench(output: string): PgbenchResult {
  const numberAfter = (text: RegExp) => Number(text.exec(output)?.[1])
  const transactions = numberAfter(/number of transactions actually processed: (\d+)/)
  const perSecond = numberAfter(/^tps = ([\d.]+) \(without/m)
  if (!(transactions > 0 && perSecond > 0)) throw new Error(`pgbench printed no rate: ${output.trim().slice(-300)}`)
  return { transactions, perSecond }
}
