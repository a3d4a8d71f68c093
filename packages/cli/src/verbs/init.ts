import { constants } from 'node:fs'
import { access, copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { UsageError } from '../command/failure.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'

const templates = new URL('../../templates/', import.meta.url)
const names = ['migrate.ts', 'messages.ts', 'settings.env']

/** `oncebox init [directory]`: writes three files to begin with. Files that are there are never changed: exit 2. */
export async function init(directory: string, _flags: CommonFlags, { output }: Console): Promise<ExitCode> {
  const paths = names.map((name) => join(directory, name))
  for (const path of paths) {
    if (await exists(path)) {
      throw new UsageError(`${path} is there already`, 'Remove it, or name another directory.')
    }
  }
  await mkdir(directory, { recursive: true })
  for (const name of names) {
    await copyFile(new URL(name, templates), join(directory, name), constants.COPYFILE_EXCL)
  }
  output.write({ files: paths }, () => {
    const next = [
      'npm install oncebox @oncebox/kafka pg zod',
      `node --env-file=${join(directory, 'settings.env')} ${join(directory, 'migrate.ts')}`,
    ]
    return [...paths.map((path) => `wrote ${path}`), '', 'Next:', ...next.map((line) => `  $ ${line}`)].join('\n')
  })
  return exitCode.fine
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
