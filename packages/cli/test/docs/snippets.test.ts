import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { codeBlocks, page, root } from './pages.js'

const run = promisify(execFile)

/** Inside the package, so that `oncebox` and its neighbours are found as a user's project finds them. */
const parent = join(root, 'packages/cli/.cache')

test("the README's snippets compile as files of one project", async () => {
  const files = codeBlocks(page('README.md'))
    .filter(({ language }) => language === 'ts')
    .map(({ code }) => ({ name: /^\/\/ (\w+\.ts)\n/.exec(code)?.[1], code }))
  expect(files.map(({ name }) => name)).toEqual(['messages.ts', 'orders.ts', 'relay.ts', 'billing.ts'])

  await mkdir(parent, { recursive: true })
  const project = await mkdtemp(join(parent, 'snippets-'))
  onTestFinished(() => rm(project, { recursive: true }))
  for (const { name, code } of files) await writeFile(join(project, String(name)), code)
  const settings = {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: { noEmit: true, declaration: false, sourceMap: false },
    include: ['*.ts'],
  }
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(settings))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const problems = await run(process.execPath, [compiler, '-p', project]).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  )
  expect(problems).toBe('')
}, 60_000)
