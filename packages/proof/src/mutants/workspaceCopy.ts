import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Mutant } from './mutant.js'

export const repository = resolve(import.meta.dirname, '../../../..')

const vitestConfig = `export default { test: { include: ['packages/*/test/**/*.test.ts'], maxWorkers: 1, testTimeout: 30_000, hookTimeout: 60_000 } }
`

/** A copy of the built packages and their tests, in which code can be spoilt. Links inside lead to its own packages. */
export interface WorkspaceCopy extends AsyncDisposable {
  readonly root: string
  /**
   * Spoils the code while `work` runs.
   * @throws Error where a text to be replaced is not there exactly once: the code has changed, and the mutant has to follow.
   */
  during<T>(mutant: Mutant, work: () => Promise<T>): Promise<T>
}

export async function copyWorkspace(): Promise<WorkspaceCopy> {
  const root = await mkdtemp(join(tmpdir(), 'oncebox-mutants-'))
  await mkdir(join(root, 'packages'))
  for (const part of ['packages', 'migrations']) {
    await cp(join(repository, part), join(root, part), { recursive: true, verbatimSymlinks: true })
  }
  for (const file of ['package.json', 'pnpm-workspace.yaml', 'tsconfig.base.json']) {
    await cp(join(repository, file), join(root, file))
  }
  await symlink(join(repository, 'node_modules'), join(root, 'node_modules'))
  await writeFile(join(root, 'vitest.config.mjs'), vitestConfig)
  return {
    root,
    async during(mutant, work) {
      const path = join(root, mutant.file)
      const text = await readFile(path, 'utf8')
      await writeFile(path, spoilt(text, mutant))
      try {
        return await work()
      } finally {
        await writeFile(path, text)
      }
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  }
}

/** The text with the mutant's edits. Pure. */
export function spoilt(text: string, { name, file, edits }: Mutant): string {
  return edits.reduce((changed, { find, replace }) => {
    const times = changed.split(find).length - 1
    if (times === 1) return changed.replace(find, () => replace)
    throw new Error(`mutant "${name}": ${file} has ${JSON.stringify(find)} ${times} times, and should have it once`)
  }, text)
}
